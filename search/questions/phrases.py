# ruff: noqa: E501  a pattern is one line
"""Pure data: phrases that say in several words what one says: `how long`, `at most`, `what is the way to`.

Applied in order to a question in lower case. `+name` is a concept, as in `words`.
"""

import re

# pattern => what is read in its place
_PHRASES = r"""
^(?:hi|hello|hey|please|kindly)\b[ ,]* =>
^(?:(?:can|could|would|will) you (?:please )?(?:tell|show|explain|give|help|say|describe)(?: to)?(?: me| us)?|(?:please )?(?:tell|show|give) (?:me|us)|i(?: would|'d)? (?:like|want|need) to know|i (?:was|am) wondering|i wonder|do you know|does anyone know|any idea)\b[ ,]* =>
^(?:please )?(?:list|name|state|describe|explain|say) (?=(?:what|which|who|where|when|why|how|whether|if|the|all|me)\b) =>
^(?:whether|if) (?!.*,) => is
^(.*), (?=(?:what|which|who|whom|where|when|why|how|is|are|was|were|do|does|did|can|could|may|must|should|will|would)\b)([^,]*?)\W*$ => \2 \1
\bwhat(?:'s|s| is| are| was| were) the (?:way|ways|best way|right way|correct way|proper way|procedure|process|steps?|method|methods|instructions) (?:to|for|of|that|in order to) => how
\b(?:what|which) (?:\w+ )?(?:procedure|process|steps?) (?:is|are|do|does|must|should|can|needed|required|needs?|have|has)\b => how
\bwhat (?:do|must|should|can|would) (?:i|we|you|one) (?:need |have )?(?:to )?do(?: in order)?(?: to)?\b => how
\bwhat now\b => how
^what steps (?=\w) => how
\bwhat (?:else )?helps? (?:against|with)\b => how
\b(?:what is|what's|when is|when's) the (best|right|ideal|earliest|latest) (?:time|moment|date|day) (?:to|for|of)\b => when \1
\bhow (?:do|can|should|would|must|could|does|may|might|to|did)\b => how
\bin (?:what|which) (?:way|manner) => how
\b(?:what is|what's|what was|what are|is there|give) (?:the|a|any) (?:reasons?|causes?) (?:for|that|why|of|to)\b => why
\b(?:for what reason|for which reason|how come|what causes?|what caused|what makes?|what made|what is causing)\b => why
\b(?:by|until|till) (?:when|(?:what|which) (?:time|date|day|month|year))\b => when +deadline
\b(?:from|since) (?:when|(?:what|which) (?:time|date|day|month|year))\b => when +begin
\b(?:at|on|in|during) (?:what|which) (?:time|times|date|dates|day|days|year|years|month|week|point in time)(?: of (?:the )?(?:year|day|week))?\b => when
\b(?:what|which) (?:time|date|day|year) (?=(?:is|was|are|were|do|does|did|will|can|must|has|have)\b) => when
\b(?:what is|what's|what was|which is) the (?:deadline|due date|latest date|last day|closing date)\b => when +deadline
\b(?:what is|what's|what was) the ((?:\w+ )?)date (?:of|for)\b => when \1
\b(?:what are|what were) the ((?:opening|business|office|visiting) )(?:hours|times) (?:of|for|at)\b => when \1
\b(?:what is|what's) (?:the )?(.*\bbirthplace)\b => where \1
\bwhere (?:can|do|could|may|will|would|should) (?:i|we|you|one) (?:find|see)\b => where
^where (is|are|was|were) (.*?) (?:kept|located|situated|found|stored)\W*$ => where \1 \2
\b(?:what|which) (?:kind|kinds|type|types|sort|sorts) of\b => which
\b(?:what|which|how many) (?:share|proportion|percentage|percent) of\b => which percentage of
\bhow many (?:people|inhabitants|persons|residents) (?:live|lived|reside|are there) in\b => what +population
\b(?:what is|what's|what was) the number of (?:inhabitants|residents)\b => what +population
\bhow (?:large|big|high) (?:is|was) (?=.*\bpopulation\b) => what +value
\bfor how many (?:minutes|hours|days|weeks|months|years)\b => +long
\bhow many (?:kilometres|kilometers|km|miles) (?:is it|are there|away|is)\b => +distance
\b(?:in|at|on|to) (?:what|which) (?:place|places|location|spot|city|town)\b => where
\b(?:what is|what's|which is|what was) the (?:location|place) of\b => where
\b(?:by|from|to|with|for) whom\b => who
\b(?:what|which) (?:person|persons|people|individual|individuals|employees?|colleagues?|scientist|author|composer|artist|painter|writer|player)\b => who
\b(?:what is|what's|what was|what are|what were) the names? of (?:the )? => which
\bwho is responsible for (?=\w+ing\b) => who
^how does (.*) work\W*$ => how \1
^what(?:'s| is| are| was| were) (.*) like\W*$ => how \1
^(how .*)\b(?:properly|correctly)\b => \1
\bcheck(?:ed|ing|s)?[- ]in\b => checkin
\bcheck(?:ed|ing|s)?[- ]out\b => checkout
\b((?:bus|train|flight|plane|ferry|boat|tram)\b.*)\b(?:leave|leaves|left)\b => \1 depart
\bin order to\b => to
\b((?:the|a|this|that|these|which|what|my|your|many) )books?\b => \1 bookvolume
\b(?:prior to|ahead of)\b => before
\bonce (?=(?:i|we|you|it|he|she|they|the|a|an|my|our|your|this|that)\b) => after
\b(?:more than|greater than|higher than|larger than|older than|longer than|exceeding|in excess of|above|over|über|plus de|más de) (?=[^a-z ]?\d) => +above
\b(?:less than|fewer than|lower than|smaller than|younger than|shorter than|below|under|unter|moins de|menos de) (?=[^a-z ]?\d) => +below
\b(?:not more than|no more than|at most|at the most|up to (?=how)|maximally)\b => +max
\b(?:not less than|no less than|at least|at the least|minimally)\b => +min
\b(?:upper limit|maximum limit|limit on)\b => +max
\b(?:is|are|was|were|am) (?:it )?(?:allowed|permitted|possible|okay|ok|able|entitled|authorized|authorised)\b => +permit
\b(?:have|has|had|having) to\b => must
\b(?:have|has|had|having|give|gives|given|get) (?:the )?(?:permission|right) to\b => may
^what (?:do|does|did|can|may|will) (.*) cause\b => what +effect \1
\b(?:need|needs|needed) to\b => must
\b(?:am|is|are|was|were) (?:it )?(?:supposed|obliged|required|obligated) to\b => must
\bhow many (?:minutes|hours|days|weeks|months|years) (?=.*\b(?:take|takes|last|lasts|keep|keeps|stay|stays|valid)\b) => +long
\b(?:what is|what's) the (delivery|processing|waiting|shipping|travel|charging|response|production|cooking|baking) time\b => +long \1
\bbattery life\b => +long battery
\bhow (?:long|lang)\b|\bwie lang(?:e)?\b|\b(?:how many|how much) time\b => +long
(?<=\+long) (.*)\blast\b =>  \1
(?:\b(?:what is|what's|what was) the )?\bnumbers? of (?!(?:the|my|our|your|a|an|this|that)\b) => +many
\breleases? (?=v?\d) => version
\bhow (?:many|viele)\b|\bwie viele?\b|\bcombien de\b|\bcuánt[oa]s\b => +many
\bhow (?:often|frequently|regularly)\b|\bwie oft\b => +often
\bhow (?:old|young)\b|\bat (?:what|which) age\b => +age
\bhow (?:far|distant)\b => +distance
\bhow tall\b => +height
\bhow (?:big|large)\b => +size
\bhow heavy\b => +weight
\bhow (?:fast|quick|quickly)\b => +speed
\bhow (?:hot|cold|warm)\b => +temperature
\bhow deep\b => +depth
\bhow (?:wide|broad)\b => +width
\bhow (?:expensive|costly|dear)\b => +price
\bhow much (?:is|are|was|were) (?:the |a |an |one |this |that |my )?(?!.*\b(?:made|used|left|needed|required|allowed|included|covered|of)\b) => +howmuch
\bhow much (?=.*\b(?:cost|costs|pay|paid|charge|charged|fee|price)\b) => +price
\bhow (?:much|high)\b|\bwie viel\b|\bcombien\b|\bcuánto\b => +amount
^(?:what is|what's|what was|what are|what were) (?=(?:the|my|our|your)\b) => what +value
\b(?:turn|switch|shut)(?:ed|ing|s|es)? off\b => +deactivate
\b(?:turn|switch)(?:ed|ing|s|es)? on\b => +activate
\b(?:turn|switch|shut)(?:ed|ing|s|es)? ((?:\S+ ){1,4})off\b => +deactivate \1
\b(?:turn|switch)(?:ed|ing|s|es)? ((?:\S+ ){1,4})on\b(?= *$) => +activate \1
\b(?:get|getting|be) in (?:touch|contact) with\b => contact
\bhand(?:ed|ing|s)? in\b|\bturn(?:ed|ing|s)? in\b => submit
\bfill(?:ed|ing|s)? (?:in|out)\b => complete
\b(?:get|getting|got) rid of\b|\bthrow(?:ing|n)? away\b|\bdispos(?:e|ed|ing|al) of\b => dispose
\bcall(?:ed|ing)? off\b => cancel
\bsign(?:ed|ing|s)? off\b => approve
\b(?:send|sent|sending|give|gave|given) back\b => return
\bset(?:ting)? up\b => configure
\bcarr(?:y|ied|ying) (?:over|forward)\b|\btak(?:e|en|ing) over\b => carryover
\b(?:find|found|finding) out\b => learn
\b(?:look|looking)(?: up)? for\b => find
\b(?:get|getting|got) (?:a |an )?(?:copy|copies) of\b => copy
\bc(?:ome|omes|ame|oming) (?:out|on the market)\b => release
\b(?:take|takes|taking|taken|took|pull|pulled|pulling) out\b(?! (?:of )?(?:a|an|insurance|loan)\b) => remove
\b(?:carry|carries|carried|carrying) out\b => perform
\b(?:take|takes|taking|took) part in\b => attend
\b(?:get|gets|getting|got|bring|brought) back\b => restore
\bstands? for\b => mean
\b(?:get|gets|getting|got|obtain|obtains) (?=(?:a|an|the|my|our|your|some|new|more)\b) => +obtain
\b(?:take|takes|taking|took|taken) (?=(?:a|an|the|my|our|your|some)\b)(?!.*\b(?:break|place|part)\b) => +take
\b(?:because of|due to|owing to|on account of)\b => because
\bmake sure\b => ensure
\bpower (?:cut|outage|failure|loss)s?\b|\bblackouts?\b => outage
\b(?:hard|disk) (?:disk|drive)s?\b => harddisk
\b(?:hand|carry-on|cabin) (?:luggage|baggage|bag)s?\b|\bcarry-ons?\b => handluggage
\b(?:head|main|central) offices?\b => headquarters
\bhuman resources\b => hr
\blog(?:ged|ging|s)? (?:in|on)\b|\bsign(?:ed|ing|s)? in\b => login
\b(?:log|sign)(?:ged|ged|ging|ing|ned|s)? (?:out|off)\b => logout
\bback(?:ed|ing|s)? up\b => backup
\bsign(?:ed|ing|s)? up\b|\benrol(?:l|s|led|ling)?\b => register
\bpa(?:y|ys|id|ying) (?:back|out)\b => refund
\btop speed\b => max speed
\bhook(?:ed|ing)? up\b => connect
\bspeed(?:ing|s)? up\b => +faster
\bslow(?:ing|s)? down\b => +slower
\b(?:free of charge|for free|at no (?:cost|charge)|without (?:paying|charge|payment)|gratis)\b => +free
\b(?:right now|at present|at the moment|these days|nowadays|as of now|today's)\b => currently
\bin advance\b|\bbeforehand\b => +advance
\b(?:bank|public|national) holidays?\b => +publicholiday
\btime off\b|\bdays? off\b|\b(?:annual|yearly) leave\b|\bleave days?\b => vacation
\b(?:work(?:s|ing)?|worked) (?:remotely|from home)\b|\bhome ?office\b|\btelework(?:ing)?\b => +remotework
\b(?:united states of america|united states|u\.s\.a\.|usa|u\.s\.)(?!\w) => +usa
\b(?:united kingdom|great britain|u\.k\.|uk)(?!\w) => +uk
\bq([1-4])\b => \1 quarter
\b(?:twice) => 2 times
\b(?:a|one) half\b|\bhalf an?\b => half
"""


def _replacements() -> tuple[tuple[re.Pattern[str], str], ...]:
    lines = (line.split("=>") for line in _PHRASES.strip().splitlines())
    return tuple((re.compile(pattern.strip(" ")), f" {text.strip()} ") for pattern, text in lines)


REPLACEMENTS = _replacements()
