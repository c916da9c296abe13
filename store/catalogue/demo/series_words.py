"""The words that invented titles are made of, German and English side by side."""

from typing import Final, NamedTuple


class Noun(NamedTuple):
    """A noun: its German article, nominative and plural, and the same in English."""

    article: str
    de: str
    plural: str
    en: str
    en_plural: str


def _nouns(lines: str) -> tuple[Noun, ...]:
    """One noun a line; `_` stands for a blank inside a word."""
    return tuple(Noun(*(word.replace("_", " ") for word in line.split())) for line in lines.strip().splitlines())


def _pairs(lines: str) -> tuple[tuple[str, str], ...]:
    """A German and an English word a line; `_` stands for a blank inside a word."""
    split = (line.split() for line in lines.strip().splitlines())
    return tuple((german, english.replace("_", " ")) for german, english in split)


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


EVERYDAY: Final = _nouns("""
der Brief Briefe Letter Letters
das Haus Häuser House Houses
der Schlüssel Schlüssel Key Keys
die Nachbarin Nachbarinnen Neighbour Neighbours
der Koffer Koffer Suitcase Suitcases
die Tür Türen Door Doors
der Garten Gärten Garden Gardens
das Foto Fotos Photograph Photographs
die Schwester Schwestern Sister Sisters
der Bruder Brüder Brother Brothers
der Gast Gäste Guest Guests
die Reise Reisen Journey Journeys
der Spiegel Spiegel Mirror Mirrors
das Versprechen Versprechen Promise Promises
der Abschied Abschiede Farewell Farewells
die Lüge Lügen Lie Lies
der Zug Züge Train Trains
die Rückkehr Heimkehren Return Homecomings
der Sommer Sommer Summer Summers
die Stunde Stunden Hour Hours
das Zimmer Zimmer Room Rooms
der Fremde Fremde Stranger Strangers
die Einladung Einladungen Invitation Invitations
das Geschenk Geschenke Gift Gifts
der Traum Träume Dream Dreams
die Wette Wetten Wager Wagers
der Kompass Kompasse Compass Compasses
das Lied Lieder Song Songs
die Treppe Treppen Staircase Staircases
der Mantel Mäntel Coat Coats
das Fenster Fenster Window Windows
die Uhr Uhren Clock Clocks
der Umweg Umwege Detour Detours
die Insel Inseln Island Islands
das Boot Boote Boat Boats
der Vertrag Verträge Contract Contracts
die Probe Proben Rehearsal Rehearsals
der Ring Ringe Ring Rings
das Geständnis Geständnisse Confession Confessions
die Erbin Erbinnen Heiress Heiresses
""")

CRIME: Final = _nouns("""
der Zeuge Zeugen Witness Witnesses
die Spur Spuren Trace Traces
die Akte Akten File Files
das Alibi Alibis Alibi Alibis
der Anruf Anrufe Call Calls
die Kommissarin Kommissarinnen Inspector Inspectors
der Verdacht Verdächtigungen Suspicion Suspicions
das Urteil Urteile Verdict Verdicts
der Schuss Schüsse Shot Shots
die Fährte Fährten Trail Trails
das Motiv Motive Motive Motives
der Fund Funde Find Finds
die Zelle Zellen Cell Cells
das Protokoll Protokolle Transcript Transcripts
der Komplize Komplizen Accomplice Accomplices
die Beute Beutestücke Loot Spoils
das Versteck Verstecke Hideout Hideouts
der Informant Informanten Informant Informants
""")

DISTANT: Final = _nouns("""
das Signal Signale Signal Signals
die Kapsel Kapseln Capsule Capsules
der Mond Monde Moon Moons
die Station Stationen Station Stations
der Pilot Piloten Pilot Pilots
das Echo Echos Echo Echoes
die Schleuse Schleusen Airlock Airlocks
der Schatten Schatten Shadow Shadows
die Maschine Maschinen Machine Machines
das Archiv Archive Archive Archives
der Kolonist Kolonisten Settler Settlers
die Umlaufbahn Umlaufbahnen Orbit Orbits
das Logbuch Logbücher Logbook Logbooks
der Zwilling Zwillinge Twin Twins
die Kälte Winter Cold Winters
der Horizont Horizonte Horizon Horizons
""")

CHEERFUL: Final = _nouns("""
der Umzug Umzüge Move Moves
die Hochzeit Hochzeiten Wedding Weddings
das Fahrrad Fahrräder Bicycle Bicycles
der Hund Hunde Dog Dogs
die Schwiegermutter Schwiegermütter Mother-in-Law Mothers-in-Law
der Kuchen Kuchen Cake Cakes
das Picknick Picknicks Picnic Picnics
die Torte Torten Gateau Gateaux
der Wohnwagen Wohnwagen Caravan Caravans
das Klavier Klaviere Piano Pianos
die Katze Katzen Cat Cats
der Flohmarkt Flohmärkte Flea_Market Flea_Markets
das Vorstellungsgespräch Vorstellungsgespräche Interview Interviews
die Waschmaschine Waschmaschinen Washing_Machine Washing_Machines
der Chor Chöre Choir Choirs
der Stromausfall Stromausfälle Blackout Blackouts
das Klassentreffen Klassentreffen Reunion Reunions
die Generalprobe Generalproben Dress_Rehearsal Dress_Rehearsals
""")

OBSERVED: Final = _nouns("""
der Wald Wälder Forest Forests
das Moor Moore Moor Moors
der Fluss Flüsse River Rivers
die Werft Werften Shipyard Shipyards
das Salz Salze Salt Salts
der Wind Winde Wind Winds
die Mühle Mühlen Mill Mills
das Glas Gläser Glass Glasses
der Gletscher Gletscher Glacier Glaciers
die Biene Bienen Bee Bees
der Kranich Kraniche Crane Cranes
das Papier Papiere Paper Papers
die Orgel Orgeln Organ Organs
der Hafen Häfen Harbour Harbours
die Wolle Stoffe Wool Fabrics
das Brot Brote Bread Loaves
der Leuchtturm Leuchttürme Lighthouse Lighthouses
die Weide Weiden Meadow Meadows
der Stein Steine Stone Stones
die Brücke Brücken Bridge Bridges
""")

PAST: Final = _nouns("""
der Eid Eide Oath Oaths
die Fahne Fahnen Banner Banners
der Bote Boten Messenger Messengers
das Siegel Siegel Seal Seals
die Krone Kronen Crown Crowns
der Kaufmann Kaufleute Merchant Merchants
das Pamphlet Pamphlete Pamphlet Pamphlets
die Belagerung Belagerungen Siege Sieges
der Kurier Kuriere Courier Couriers
die Kutsche Kutschen Coach Coaches
das Duell Duelle Duel Duels
die Setzerin Setzerinnen Typesetter Typesetters
der Kartograf Kartografen Mapmaker Mapmakers
die Überfahrt Überfahrten Crossing Crossings
""")

ADJECTIVES: Final = _pairs("""
letzte Last
erste First
lange Long
stille Quiet
falsche Wrong
fremde Strange
kalte Cold
leere Empty
blaue Blue
zweite Second
verlorene Lost
alte Old
offene Open
geheime Secret
graue Grey
neue New
dunkle Dark
andere Other
rote Red
vergessene Forgotten
halbe Half
späte Late
kleine Little
große Great
weite Wide
schmale Narrow
gläserne Glass
unsichtbare Invisible
""")
"""Adjectives as they follow a definite article in the nominative, which is the same for all three genders."""

PLACES_WITHIN: Final = (
    ("am Fluss", "by the River"),
    ("im Hafen", "in the Harbour"),
    ("auf dem Dach", "on the Roof"),
    ("unter der Brücke", "Under the Bridge"),
    ("hinter dem Deich", "Behind the Dyke"),
    ("im dritten Stock", "on the Third Floor"),
    ("am Ende der Straße", "at the End of the Road"),
    ("im Nebel", "in the Fog"),
    ("vor der Stadt", "Outside the Town"),
    ("auf der anderen Seite", "on the Other Side"),
    ("am Waldrand", "at the Edge of the Woods"),
    ("im Regen", "in the Rain"),
    ("nach Mitternacht", "After Midnight"),
    ("im Keller", "in the Cellar"),
    ("an der Grenze", "at the Border"),
    ("im Winter", "in Winter"),
    ("unter dem Eis", "Beneath the Ice"),
    ("zwischen den Zeilen", "Between the Lines"),
    ("auf Gleis vier", "on Platform Four"),
    ("im Schnee", "in the Snow"),
)

BARE: Final = _pairs("""
Nebel Fog
Schnee Snow
Ebbe Ebb
Frost Frost
Heimweh Homesickness
Schuld Guilt
Stille Silence
Funken Sparks
Staub Dust
Mitternacht Midnight
Ankunft Arrival
Gewitter Thunder
Nachtschicht Night_Shift
Windstille Calm
Glut Embers
Zweifel Doubt
Hochwasser Flood
Lampenfieber Stage_Fright
Treibholz Driftwood
Eifersucht Jealousy
Hunger Hunger
Asche Ashes
Kehrtwende U-turn
Sonnenwende Solstice
""")
"""Words that stand alone, or in pairs."""

MOMENTS: Final = (
    ("Vor dem Sturm", "Before the Storm"),
    ("Nach dem Regen", "After the Rain"),
    ("Kurz vor sechs", "Just Before Six"),
    ("Ein Tag im März", "A Day in March"),
    ("Freitag, neun Uhr", "Friday, Nine O’Clock"),
    ("Zwischen den Jahren", "Between the Years"),
    ("Am Morgen danach", "The Morning After"),
    ("Bis zum ersten Frost", "Until the First Frost"),
    ("Noch einmal von vorn", "Once More from the Start"),
    ("So weit das Auge reicht", "As Far as the Eye Can See"),
    ("Auf Umwegen", "The Long Way Round"),
    ("Unter Freunden", "Among Friends"),
    ("Ohne Rückfahrschein", "One Way Ticket"),
    ("Was bleibt", "What Remains"),
    ("Alles auf Anfang", "Back to the Beginning"),
    ("Licht aus", "Lights Out"),
    ("Die Nacht davor", "The Night Before"),
    ("Halb so wild", "Not So Bad"),
    ("Im Namen der anderen", "In the Name of Others"),
    ("Wie es wirklich war", "How It Really Was"),
)

NAME_PHRASES: Final = (
    ("Was {name} verschweigt", "What {name} Keeps Quiet"),
    ("{name} kommt zurück", "{name} Comes Back"),
    ("{name} sagt nein", "{name} Says No"),
    ("Ein Abend mit {name}", "An Evening with {name}"),
    ("{name} fährt ans Meer", "{name} Goes to the Sea"),
    ("Wer kennt {name}?", "Who Knows {name}?"),
    ("{name} lernt schwimmen", "{name} Learns to Swim"),
    ("Für {name}", "For {name}"),
    ("{name} zieht aus", "{name} Moves Out"),
    ("Warten auf {name}", "Waiting for {name}"),
    ("{name} bleibt", "{name} Stays"),
    ("Das Jahr ohne {name}", "The Year Without {name}"),
)

NUMBERS: Final = (("Zwei", "Two"), ("Drei", "Three"), ("Vier", "Four"), ("Fünf", "Five"), ("Sieben", "Seven"))

FIRST_NAMES: Final = {
    "de": _words("""
        Lena Jonas Mira Anton Ruth Emil Clara Paul Ida Felix Nora Hannes Greta Theo Marlene Kaspar Jule Oskar Vera
        Martin Elif Levin Johanna Samir Agnes Ludwig Thea Bruno Selma Konrad
    """),
    "en": _words("""
        Alice Tom Edith Owen Grace Henry Nell Arthur Maud Ellis Rose Jack Ivy George Hazel Sam Olive Ned Martha Hugh
        Leila Daniel Esther Ravi Joan Walter Tess Miles Ada Frank
    """),
}

SURNAMES: Final = {
    "de": _words("""
        Lindner Hartwig Brandt Sommerfeld Kessler Voss Reimann Adler Falkner Thiele Grabowski Wiegand Osterkamp
        Petersen Lorenz Buchholz Steinbach Ahrens Ritter Winkler Haller Moser Yildiz Jansen Kramer Dorn Vogt Elsner
        Rausch Sander Behrens Kirchner Achleitner Gruber Paulsen Tiedemann Wolff Engelhardt
    """),
    "en": _words("""
        Hartley Pemberton Ashworth Callow Merrick Thorne Whitlock Garland Ransome Pryce Fairley Lockhart Marlowe
        Kendrick Osgood Penrose Hale Braddock Winslow Sefton Carver Tully Ainsworth Drummond Fenwick Rook Halloran
        Stroud Beckett Mercer Okafor Langley Quill Sharma Vane Wexford
    """),
}

PLACE_STEMS: Final = {
    "de": _words("""
        Alten Nieder Hohen Grün Stein Wolfs Lichten Eber Birken Rauten Mark Linden Falken Norder Wiesen Schön Kalten
        Ahren Borken Elms Hasel Krons Möwen Rosen Silber Tannen Ufer Weiden Buchen Eichen
    """),
    "en": _words("""
        Ash Marl Wick Penn Thorn Harrow Black Stan Fair Lang Wither Brook Cold Elder Holm Kings Alder Crow Dun Fox
        Gold Hazel Larch Mere North Oak Raven Shel Tarn Wether
    """),
}

PLACE_ENDINGS: Final = {
    "de": _words("ried bach hagen koog au münde feld brück walde stedt see horst moor kirchen"),
    "en": _words("ford mouth ley combe bridge holm field stead worth cliffe haven ton moor gate"),
}
