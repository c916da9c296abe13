"""Refusals about profiles, their age limits and the parental PIN."""

from auth.errors import AuthError


class PinRequired(AuthError):
    """This profile has an age limit, and what was asked for is for the account's holder: the PIN opens it."""

    status, code = 403, "pin_required"
    de = "Das ist in diesem Profil gesperrt. Mit der Jugendschutz-PIN geht es weiter."
    en = "This is locked in this profile. Go on with the parental PIN."


class PinWrong(AuthError):
    """Not the account's PIN."""

    status, code = 403, "pin_wrong"
    de = "Diese PIN stimmt nicht. Wer sie vergessen hat, setzt mit dem Passwort des Kontos eine neue."
    en = "This PIN is wrong. Whoever has forgotten it sets a new one with the account's password."


class PinMissing(AuthError):
    """The account has no PIN yet, and an age limit without one would hold nobody up."""

    status, code = 409, "pin_missing"
    de = "Bitte legen Sie zuerst eine Jugendschutz-PIN fest."
    en = "Please set a parental PIN first."


class PinNeeded(AuthError):
    """The PIN stays while a profile has an age limit: nobody could lift it any more."""

    status, code = 409, "pin_needed"
    de = "Die PIN wird noch gebraucht: Ein Profil hat eine Altersgrenze. Heben Sie diese zuerst auf."
    en = "The PIN is still needed: a profile has an age limit. Lift that first."


class ProfileNotFound(AuthError):
    """No such profile of this account."""

    status, code = 404, "profile_not_found"
    de = "Dieses Profil gibt es nicht (mehr)."
    en = "This profile does not exist (any more)."


class HoldersProfile(AuthError):
    """The first profile is the holder's own: it has no age limit and stays."""

    status, code = 409, "holders_profile"
    de = "Das erste Profil gehört Ihnen selbst: Es hat keine Altersgrenze und bleibt. Legen Sie ein weiteres an."
    en = "The first profile is your own: it has no age limit and stays. Add another one."


class TooManyProfiles(AuthError):
    """As many profiles as an account may have (`most`)."""

    status, code = 409, "too_many_profiles"
    de = "Mehr als {most} Profile sind nicht möglich. Löschen Sie zuerst eines."
    en = "There can be no more than {most} profiles. Delete one first."
