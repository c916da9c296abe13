"""Every refusal of the catalogue."""

from store.errors import StoreError


class TitleNotFound(StoreError):
    """No title of this name."""

    status, code = 404, "title_not_found"
    de = "Diesen Titel gibt es bei uns nicht. Vielleicht hilft die Suche weiter."
    en = "We have no such title. Searching may help."


class PersonNotFound(StoreError):
    """Nobody of this name."""

    status, code = 404, "person_not_found"
    de = "Diese Person kennen wir nicht. Vielleicht hilft die Suche weiter."
    en = "We do not know this person. Searching may help."


class GenreNotFound(StoreError):
    """No genre of this code."""

    status, code = 404, "genre_not_found"
    de = "Dieses Genre gibt es bei uns nicht."
    en = "We have no such genre."


class PosterNotFound(StoreError):
    """No title of this id."""

    status, code = 404, "poster_not_found"
    de = "Dieses Plakat gibt es nicht."
    en = "There is no such poster."


class CursorNotValid(StoreError):
    """A cursor that this list never gave."""

    status, code = 400, "cursor_not_valid"
    de = "Diese Fortsetzung der Liste gilt nicht. Beginnen Sie die Liste bitte von vorn."
    en = "This continuation of the list is not valid. Please start the list again."

    def __init__(self) -> None:
        super().__init__(place="query.cursor")


class LimitNotValid(StoreError):
    """A page of a list has 1 to `largest` entries."""

    status, code = 400, "limit_not_valid"
    de = "Eine Seite der Liste hat 1 bis {largest} Einträge."
    en = "A page of the list has 1 to {largest} entries."

    def __init__(self, *, largest: int) -> None:
        super().__init__(place="query.limit", largest=largest)


class OfferNotOnSale(StoreError):
    """The offer does not exist, is of another market, or its window is not open."""

    status, code = 409, "offer_not_on_sale"
    de = "Dieses Angebot gilt nicht mehr. Es wurde nichts bestellt; die heutigen stehen auf der Seite des Films."
    en = "This offer is no longer valid. Nothing was ordered; the film's page shows what is on offer today."
