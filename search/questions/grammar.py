"""Pure data: the words that make a question of what is asked; the commonest in German, French and Spanish too."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words that say nothing about what is asked, apart from what else is read from them.
_FILLERS = """
    a an the this that these those such any all each every i me my mine we us our ours you your yours he him his
    she her hers it its they them their theirs one one's oneself myself yourself someone somebody anyone anybody
    everyone something anything receive receives received receiving obtain obtains given am is are was were be
    been being do does did doing done have has had having will would shall should could can may might must ought
    get gets got getting of in on at to for by with from into onto upon via using through about as per and or
    but if when than then so there here within along between regarding concerning
    please kindly exactly precisely actually currently really usually normally generally typically ever just
    also still yet already now own named called what what's which whose whom who who's where when why how
    whether exist exists happen happens happened happening occur occurs occurred take takes took taking taken place
    'm 're 's 'll 've 'd
"""
FILLERS = _set(_FILLERS)
_NEGATIONS = """
    not no never none nobody nothing nowhere neither nor cannot without except excluding unless lacks lacking
    can't won't don't doesn't didn't isn't aren't wasn't weren't shouldn't couldn't wouldn't mustn't needn't
    haven't hasn't cant wont dont doesnt didnt isnt arent nicht kein keine keinen keinem keiner ohne nie niemals
    niemand nichts weder außer pas sans jamais aucun aucune ni non sin nunca ningún ninguna nadie nada
"""
NEGATIONS = _set(_NEGATIONS)
NEGATIVE_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "de", "mis", "anti")
# What kind of answer a question wants, by its first question word.
_KINDS = {
    "who": "who whose wer wen wem wessen qui quién quiénes",
    "when": "when wann quand cuándo",
    "where": "where wo wohin woher où dónde adónde",
    "why": "why warum wieso weshalb pourquoi",
    "how": "how wie comment cómo",
    "what": "what which welche welcher welches welchen welchem quel quelle quels quelles quoi qué cuál cuáles",
    "whether": "is are was were am do does did can could may might will would shall should must has have had",
}
KINDS = {word: kind for kind, words in _KINDS.items() for word in words.split()}
MEASURES = _set(
    "+long +many +often +age +distance +height +size +weight +speed +temperature +depth +width +price +amount +howmuch"
)
MODALS = _set("+need +permit")
TENSES = {
    "past": _set("was were did"),
    "present": _set("is are does do has have what's who's"),
    "future": _set("will"),
}
_NUMBERS = """
    zero=0 two=2 both=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12
    thirteen=13 fourteen=14 fifteen=15 sixteen=16 seventeen=17 eighteen=18 nineteen=19 twenty=20 thirty=30
    forty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90 hundred=100 thousand=1000 million=1000000
    billion=1000000000 dozen=12 half=0.5 first=1 second=2 third=3 fourth=4 fifth=5 sixth=6 seventh=7 eighth=8
    ninth=9 tenth=10 eleventh=11 twelfth=12 zwei=2 drei=3 vier=4 fünf=5 sechs=6 sieben=7 acht=8 neun=9 zehn=10
    zwölf=12 erste=1 zweite=2 dritte=3 deux=2 trois=3 quatre=4 cinq=5 sept=7 huit=8 neuf=9 dix=10 dos=2 tres=3
    cuatro=4 cinco=5 siete=7 ocho=8 nueve=9 diez=10
"""
NUMBERS = {word: float(value) for word, value in (pair.split("=") for pair in _NUMBERS.split())}
_IRREGULAR = """
    men=man women=woman feet=foot teeth=tooth mice=mouse bacteria=bacterium criteria=criterion indices=index
    matrices=matrix viruses=virus buses=bus lives=live wives=wife went=go gone=go goes=go came=come took=take
    taken=take gave=give brought=bring thought=think sent=send built=build broke=break broken=break began=begin
    chose=choose forgot=forget forgotten=forget held=hold left=left led=lead met=meet put=put saw=saw seen=see
    sang=sing sung=sing sank=sink slept=sleep spent=spend stole=steal stolen=steal swam=swim told=tell
    understood=understand wore=wear worn=wear drank=drink drunk=drink ate=eat eaten=eat fell=fall fallen=fall
    flew=fly flown=fly knew=know known=know rose=rise risen=rise bled=bleed used=use using=use paid=pay
    beaten=beat bitten=bite blown=blow caught=catch dealt=deal dug=dig drew=draw drawn=draw fed=feed felt=feel
    fought=fight froze=freeze frozen=freeze hid=hide hidden=hide laid=lay lent=lend lit=light rang=ring rung=ring
    rode=ride ridden=ride sewn=sew shook=shake shaken=shake shot=shoot sued=sue suing=sue spoken=speak spun=spin
    stuck=stick struck=strike swept=sweep threw=throw thrown=throw tied=tie tying=tie torn=tear woke=wake woven=weave
    calories=calorie movies=movie cookies=cookie cancelled=cancel cancelling=cancel travelled=travel
    travelling=travel labelled=label controlled=control modelled=model
"""
IRREGULAR = dict(pair.split("=") for pair in _IRREGULAR.split())
DETERMINERS = _set("the a an my our your his her their this that")
# Those whose word is told apart: see `guards`
PREPOSITIONS = _set("from to into by in for against about over under on with through")
DO = _set("do does did")
PAST = _set("was were did had")
AUXILIARIES = PAST | _set("is are am do does have has can may must should will would could might")
BE = _set("is are am was were be been being")
MODAL_VERBS = _set("can may could must should do does")
QUESTION_WORDS = _set("what which who whom whose")
# Whose it is; "your" may be the house's as much as "our"
POSSESSIVES = {"my": "i", "your": "you", "our": "you", "his": "he", "her": "she", "their": "they"}
SECOND_PERSON = _set("you")
READERS = _set("i we")
ANYONE = _set("you one it there")
ENGLISH = _set("the of is are does do how what which who when where why can may to for my i")
OTHER_LANGUAGES = _set(
    "der das den dem ein eine einen einer und ist sind wird werden wie wer wo wann warum ich für mit bei von zum zur"
    " über le les un une est sont quel quelle combien comment pour dans du au je"
    " el los las es son cuál cuánto cómo qué por para il che di è per con"
)
