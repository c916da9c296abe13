"""What auth holds about one person, for that person (Art. 15 and 20 GDPR): no hashes, no tokens, nobody else."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Executable, and_, or_, select

from auth.audit_records import AuditAddress, AuditEvent
from auth.consents import Consent
from auth.erasure import Erasure
from auth.factor_records import Passkey, RecoveryCode, SecondFactor
from auth.models import (
    Account,
    EmailChange,
    KnownDevice,
    ParentalPin,
    PasswordReset,
    Profile,
    Session,
)
from auth.recovery.caller_codes import CallerVerification
from auth.recovery.records import Recovery


def parts_of_account(account_id: UUID) -> Mapping[str, Executable]:
    """A query for each part of the export, by its name."""
    theirs = or_(
        AuditEvent.actor_id == account_id,
        and_(AuditEvent.target_kind == "account", AuditEvent.target_id == str(account_id)),
    )
    # Of what others did the person learns that and why, not from where: that address is somebody else's.
    own_address = and_(
        AuditAddress.audit_event_id == AuditEvent.id,
        or_(AuditEvent.actor_id == account_id, AuditEvent.actor_id.is_(None)),
    )
    return {
        "account": select(
            Account.id,
            Account.pseudonym,
            Account.email,
            Account.email_verified_at,
            Account.locale,
            Account.residence_country,
            Account.residence_evidence,
            Account.status,
            Account.created_at,
        ).where(Account.id == account_id),
        "profiles": select(Profile.id, Profile.name, Profile.age_limit, Profile.created_at)
        .where(Profile.account_id == account_id)
        .order_by(Profile.id),
        "parental_pin": select(ParentalPin.set_at).where(ParentalPin.account_id == account_id),
        "registration_consents": select(
            Consent.name,
            Consent.version,
            Consent.sha256,
            Consent.is_declaration,
            Consent.locale,
            Consent.channel,
            Consent.at,
        )
        .where(Consent.account_id == account_id)
        .order_by(Consent.name),
        "sessions": select(
            Session.id,
            Session.kind,
            Session.amr,
            Session.created_at,
            Session.last_seen_at,
            Session.expires_at,
            Session.revoked_at,
            Session.revoke_reason,
            Session.ip_trunc.label("network"),
            Session.country,
            Session.ua_short.label("program"),
            Session.device_id,
            Session.profile_id,
            Session.unlocked_until,
        )
        .where(Session.account_id == account_id)
        .order_by(Session.id),
        "known_devices": select(KnownDevice.first_seen_at, KnownDevice.last_seen_at)
        .where(KnownDevice.account_id == account_id)
        .order_by(KnownDevice.first_seen_at),
        "second_factors": select(SecondFactor.created_at, SecondFactor.confirmed_at, SecondFactor.removed_at)
        .where(SecondFactor.account_id == account_id)
        .order_by(SecondFactor.id),
        "passkeys": select(
            Passkey.id,
            Passkey.name,
            Passkey.is_backed_up,
            Passkey.created_at,
            Passkey.last_used_at,
            Passkey.removed_at,
        )
        .where(Passkey.account_id == account_id)
        .order_by(Passkey.id),
        "recovery_codes": select(RecoveryCode.created_at, RecoveryCode.used_at)
        .where(RecoveryCode.account_id == account_id)
        .order_by(RecoveryCode.created_at),
        "password_resets": select(
            PasswordReset.id,
            PasswordReset.channel,
            PasswordReset.reason,
            PasswordReset.requested_at,
            PasswordReset.expires_at,
            PasswordReset.used_at,
            PasswordReset.cancelled_at,
            PasswordReset.request_ip.label("network"),
        )
        .where(PasswordReset.account_id == account_id)
        .order_by(PasswordReset.id),
        "caller_verifications": select(
            CallerVerification.id,
            CallerVerification.channel,
            CallerVerification.requested_at,
            CallerVerification.confirmed_at,
        )
        .where(CallerVerification.account_id == account_id)
        .order_by(CallerVerification.id),
        "recoveries": select(
            Recovery.id,
            Recovery.kind,
            Recovery.new_email,
            Recovery.reason,
            Recovery.evidence,
            Recovery.requested_at,
            Recovery.hold_until,
            Recovery.approved_at,
            Recovery.ended_at,
            Recovery.outcome,
        )
        .where(Recovery.account_id == account_id)
        .order_by(Recovery.id),
        "email_changes": select(
            EmailChange.old_email,
            EmailChange.new_email,
            EmailChange.requested_at,
            EmailChange.confirmed_at,
            EmailChange.undone_at,
        )
        .where(EmailChange.account_id == account_id)
        .order_by(EmailChange.id),
        "erasures": select(
            Erasure.id,
            Erasure.requested_at,
            Erasure.due_at,
            Erasure.delayed_by,
            Erasure.cancelled_at,
        )
        .where(Erasure.account_id == account_id)
        .order_by(Erasure.id),
        "events": select(
            AuditEvent.id,
            AuditEvent.at,
            AuditEvent.action,
            AuditEvent.outcome,
            AuditEvent.reason,
            AuditEvent.actor_roles.label("by"),
            AuditAddress.ip,
        )
        .outerjoin(AuditAddress, own_address)
        .where(theirs)
        .order_by(AuditEvent.at, AuditEvent.id),
    }
