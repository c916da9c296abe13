"""Refusals about cases."""

from store.errors import StoreError


class CaseNotFound(StoreError):
    """No case of this id, or another customer's: they look the same."""

    status, code = 404, "case_not_found"
    de = "Dieses Anliegen gibt es nicht."
    en = "There is no such case."


class CaseSubjectNotFound(StoreError):
    """The order, right or device that the case is to be about is not this customer's."""

    status, code = 404, "case_subject_not_found"
    de = "Die Bestellung, das Recht oder das Gerät gehört nicht zu diesem Konto."
    en = "The order, the right or the device does not belong to this account."


class CaseDone(StoreError):
    """The case is done for good; the customer opens another one."""

    status, code = 409, "case_done"
    de = "Dieses Anliegen ist abgeschlossen. Bitte eröffnen Sie ein neues."
    en = "This case is done. Please open a new one."


class AgentNotFound(StoreError):
    """Nobody of this id who handles cases."""

    status, code = 404, "agent_not_found"
    de = "Diese Person bearbeitet keine Anliegen."
    en = "This person handles no cases."
