"""Users and groups: nobody gives rights that they do not have, or gets at those who have more."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.lockout_admin import AccessAttemptAdmin
from processes.admin.audited import AuditedPages

__all__ = ["AccessAttemptAdmin", "GroupAdmin", "UserAdmin"]

admin.site.unregister(User)
admin.site.unregister(Group)

FOR_SUPERUSERS = {"is_superuser", "user_permissions"}


def exceeding(reader: Any) -> QuerySet[Permission]:
    """Return the permissions that the reader does not have, none for a superuser."""
    if reader.is_superuser:
        return Permission.objects.none()
    own = Permission.objects.filter(Q(user=reader) | Q(group__user=reader))
    return Permission.objects.exclude(pk__in=own.values("pk"))


def is_beyond(reader: Any, other: User | Group) -> bool:
    """Tell whether a user or group has rights that the reader does not have.

    Those of a user who is not active count: whoever may change the user may activate it.
    """
    if reader.is_superuser:
        return False
    if isinstance(other, Group):
        return exceeding(reader).filter(group=other).exists()
    held = Q(user=other) | Q(group__user=other)
    return other.is_superuser or exceeding(reader).filter(held).exists()


class WithinOwnRights:
    """Changing and deleting only what has no rights that the reader does not have."""

    change_form_outer_before_template = "admin/auth/beyond.html"

    def has_change_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse what is beyond the reader; a user's password is reset by this right too."""
        may_change: bool = super().has_change_permission(request, obj)  # type: ignore[misc]
        return may_change and not (obj and is_beyond(request.user, obj))

    def has_delete_permission(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse what is beyond the reader."""
        may_delete: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]
        return may_delete and not (obj and is_beyond(request.user, obj))

    def render_change_form(
        self: Any, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Have the page say why it can only be read."""
        obj = kwargs.get("obj")
        context["is_beyond"] = obj is not None and is_beyond(request.user, obj)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(
        self: Any, db_field: Any, request: Any = None, **kwargs: Any
    ) -> Any:
        """Offer, and take, only groups and permissions that give nothing beyond the reader."""
        beyond = exceeding(request.user).values("pk")
        if db_field.related_model is Group:
            kwargs["queryset"] = Group.objects.exclude(permissions__in=beyond)
        else:
            own = Permission.objects.exclude(pk__in=beyond)
            kwargs["queryset"] = own.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]


@admin.register(User)
class UserAdmin(AuditedPages, WithinOwnRights, auth.UserAdmin, ModelAdmin):  # type: ignore[type-arg]  # takes none at runtime
    """People who log in, or call the connector API with their own password."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leave to superusers what makes one, and permissions beside the groups.

        Who may not change a user has no business with any part of the password's hash either.
        """
        hidden = set() if request.user.is_superuser else FOR_SUPERUSERS
        if not self.has_change_permission(request, obj):
            hidden = hidden | {"password"}
        return [
            (
                title,
                options | {"fields": [each for each in options["fields"] if each not in hidden]},
            )
            for title, options in super().get_fieldsets(request, obj)
        ]


@admin.register(Group)
class GroupAdmin(AuditedPages, WithinOwnRights, auth.GroupAdmin, ModelAdmin):
    """Permissions that people share; four roles are there from the beginning."""
