"""Shapes of sign-in and of one's own user."""

from typing import Any

from rest_framework import serializers

from accounts.models import User
from accounts.roles import STAFF_ROLES


class LoginSerializer(serializers.Serializer[Any]):
    """An email or a phone number, and the password."""

    # Plain text, not an email field: a misspelt name is answered like a wrong password.
    email = serializers.CharField(max_length=254, required=False)
    phone = serializers.CharField(max_length=40, required=False)
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, style={"input_type": "password"}
    )
    device_name = serializers.CharField(max_length=120, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("email" in attrs) == ("phone" in attrs):
            raise serializers.ValidationError({"email": "give an email or a phone number"})
        return attrs


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=200)


class MembershipOfUserSerializer(serializers.Serializer[Any]):
    """A role of the user in a clinic."""

    clinic = serializers.UUIDField()
    role = serializers.ChoiceField([(role.value, role.label) for role in STAFF_ROLES])


class UserSerializer(serializers.ModelSerializer[User]):
    """The signed-in user. Email and phone are sign-in names and are changed elsewhere."""

    is_super_admin = serializers.BooleanField(source="is_superuser", read_only=True)
    memberships = MembershipOfUserSerializer(many=True, read_only=True)

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "phone",
            "given_name",
            "family_name",
            "locale",
            "timezone",
            "is_super_admin",
            "memberships",
        )
        read_only_fields = ("id", "email", "phone")

    def to_representation(self, instance: User) -> dict[str, Any]:
        roles = self.context["roles"]
        shown: dict[str, Any] = {
            name: getattr(instance, field.source or name)
            for name, field in self.fields.items()
            if name != "memberships"
        }
        shown["memberships"] = [{"clinic": held.clinic, "role": held.role} for held in roles]
        return shown


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds the access token lives.")


class SignedInSerializer(TokenPairSerializer):
    user = UserSerializer()
