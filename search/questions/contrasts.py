"""Pure data: words that are near each other and never mean the same. Groups are parted by `|` or a line's end.

In one group each word is another, in any form: open, closed; Monday, Friday. Concepts are compared, as in `words`.
"""

_CONTRASTS = """
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday | weekday weekend | spring summer autumn winter
    morning noon afternoon evening night midnight | yesterday today tomorrow | last next previous first current
    second minute hour day week month quarter year decade century | hourly daily weekly monthly quarterly yearly
    red green blue yellow white black orange purple brown grey pink
    north south east west northern southern eastern western | left right | front rear back side
    top bottom middle | up down | min max average | largest smallest | largest second third | above below
    before after during until | max average | most least | more less | more fewer | faster slower | fast slow
    fast cheap cheapest | cheap expensive | cheapest expensive | high low | higher lower | highest lowest
    long short | longest shortest | big small | old new | oldest newest youngest | young old | hot cold warm
    early late | earlier later | earliest latest | begin end | open close | activate deactivate | enable disable
    add delete | add subtract | create delete | install uninstall | subscribe unsubscribe | connect disconnect
    merge split | import export | download upload | read write | lock unlock | buy sell | buy rent | lend borrow
    buyer seller | tenant landlord | employer employee | employee contractor manager intern apprentice
    teacher student pupil | doctor nurse patient | adult child baby teenager senior | mother father parent
    husband wife | son daughter | brother sister | man woman | male female | boy girl | king queen | born die
    win lose | gain lose | accept reject refuse | approve reject | allow forbid
    permit forbid | required optional | need optional | include exclude | contain exclude
    indoor outdoor | internal external | domestic international | national international | local global remote
    public private | paid unpaid | full partial | full empty | full-time part-time | fulltime parttime
    temporary permanent | single double return | automatic manual | automatically manually | online offline
    wired wireless | analog digital | active inactive | safe dangerous | same different | advantage disadvantage
    strength weakness | input output | source target | sender recipient | client server | hardware software
    urban rural | positive negative | profit loss revenue turnover | gross net | credit debit | income expense
    increase decrease | raise lower | melt boil freeze | melting boiling freezing flash | liquid solid gas
    upper lower | inner outer | arrive depart | arrival departure | arrive leave | save waste
    build destroy fall | assemble disassemble | attach detach | pair unpair | charge discharge | inhale exhale
    cause symptom treatment cure diagnosis | cause prevent | prevent after | virus bacterium fungus parasite
    vitamin mineral protein | gold silver copper iron lead tin zinc | euro dollar pound yen franc
    kilogram gram tonne | kilometre metre centimetre millimetre mile | litre millilitre
    bit byte kilobyte megabyte gigabyte terabyte | celsius fahrenheit kelvin | watt volt ampere | dog cat
    breakfast lunch dinner | tea coffee | passport visa licence | windows mac macos linux ubuntu android ios
    python java javascript go rust ruby php | git mercurial | bluetooth hdmi usb wifi
    size weight height width depth price age colour distance speed temperature | long size price weight
    many amount price long often age | cost benefit | word page line character | über unter | vor nach während
    minimum maximum | anfang ende | beginn ende | ankunft abfahrt | avant après pendant | antes después durante
    plus moins | más menos
"""
CONTRASTS = tuple(
    frozenset(group.split()) for group in _CONTRASTS.replace("\n", "|").split("|") if group.strip()
)
