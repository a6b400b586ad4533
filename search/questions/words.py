"""Pure data: English words that say the same. One meaning a line; the first word names the concept, `+price`.

A word stands for all its forms that lose an ending (see `meanings`); the others are listed.
"""

_CONCEPTS = """
    price cost fee tariff pay payment
    deadline due
    procedure process
    reason cause
        vaccination jab
    long duration length lasts period lasting
    often frequency interval frequently regularly
        amount quantity
    age aged
    height tall
    size dimensions
    large big great
    weight weigh
    speed velocity
    distance away
    temperature temp
    depth deep
    width wide
    max maximum maximal greatest
    min minimum minimal
    largest biggest
    smallest tiniest
    next following upcoming
    fast quick rapid speedy
fastest quickest
    faster quicker
    begin start commence commencement began begun
    end finish
    buy purchase bought
    sell sold sale
    need must should ought require necessary mandatory compulsory required
    permit can may could might allowed possible able authorised authorized okay ok entitled permitted
    change modify alter edit modification alteration
    replace swap replacement
    delete erase remove removal deletion
    add adding insert addition
    create make made creation
    repair fix mend
    solve resolve solution resolution
    error fault
    help assist assistance
    bike bicycle
    reserve reservation book booking
    valid validity
    notify notification inform
    arrive arrival
    depart departure
        restore recover recovery restoration
    mount hang
    enlarge increase raise boost enlargement
    reduce decrease lower reduction
    improve enhance improvement enhancement
    avoid prevent prevention
    forbid prohibit ban forbidden
    join attend participate participant
    perform conduct performance
    manufacture produce production
    manufacturer maker producer
    guarantee warranty
    refund reimburse reimbursement refundable
    restart reboot
    folder directory
    damaged broken defective faulty
    disease illness sickness
    sign symptom signature
    treat treatment therapy
        toxic poisonous
    easy simple
    difficult hard
    answer reply
    publish publication
    own possess owner
    timetable schedule
    lawyer attorney
    hire recruit
    dismiss sack
    resign resignation quit
    supplier vendor
    customer client
    nearest closest
    cheap inexpensive
    rare seldom
    famous renowned
    rich wealthy
    infant baby
    teenager adolescent
            exam examination
        clothes clothing garment
    assign allocate allocation assignment
    rust corrosion
    loan credit
    fasten attach
    expire expiry expiration
            submit submission
    request ask
    apply application
    cancel cancellation
    renew renewal prolong
    deliver delivery ship
    use used using usage utilise utilize
    configure config set
        store storage keep kept retain retention
    close shut closure
    purpose goal aim
    effect consequence
    employee staff personnel
    boss manager
    person people human individual
    child children kids
    car automobile
    doctor physician
    phone telephone
smartphone cellphone
    tv television
    laptop notebook
    photo photograph picture
    film movie
    luggage baggage
    package parcel
    vacation holiday
    yearly annual
    daily day
    invoice bill
    contract agreement
    rule regulation
    law legislation
        information info data
    instruction guide manual handbook
    email e-mail
    wifi wlan wireless
    password passphrase
    login signin
    location situated
    find locate found
    meaning mean meant signify
    define definition
    difference differ distinguish different
    contain include consist
    cover coverage
    insure insurance insured
    calculate compute calculation computation
    measure measurement
    approve approval authorise authorize authorisation
    responsible responsibility
    write author wrote written writer
    compose composer
    invent inventor
    discover discoverer discovery
    direct director
    founder founded
    win winner won victory
    lose loss lost
    die death died dies
    born birth birthplace
    population inhabitants
    grow growth grew grown
    choose select pick selection choice
    check verify verification
    show display shown
    explain describe explanation description
    see view
    work function functioning operate
    run ran
    advantage benefit
    disadvantage drawback
    recommended advised suggested suggestion recommendation recommend suggest
    correct right proper
    wrong incorrect
    important essential
    additional extra further
    whole entire
    current present
    safe safely safety
    dangerous danger hazardous
    sick ill
    medicine medication
    dose dosage
            garbage rubbish waste trash
    lift elevator
    petrol gasoline
    euro eur €
    dollar usd $
    pound gbp £
    percent percentage %
    kilogram kg kilo
    gram g
    kilometre km
    metre m meter
    centimetre cm
    millimetre mm
    litre l liter
    millilitre ml
    celsius °c
    fahrenheit °f
    advance ahead
    outdoor outside
    indoor inside
    canteen cafeteria
    gym fitness
    deactivate disable disabled
    activate enable
    travel trip journey travelling
    fly flight
    drive driven drove
    teach taught teacher
    learn learnt
    speak spoke
    merge combine merger
    copy duplicate
    react respond response
    kind type sort
    colleague coworker
    firm company corporation
    country nation
    town city
    earn salary wage
    tax taxation
    rent rental
    version edition
    colour color
    centre center
    tyre tire
    licence license
    program programme
    ireland irish
    canada canadian
    france french
    germany german
    italy italian
    spain spanish
    australia australian
    austria austrian
    switzerland swiss
    japan japanese
    china chinese
    russia russian
    usa us american america
    uk british britain
    england english
    mexico mexican
    poland polish
    sweden swedish
    norway norwegian
    denmark danish
    netherlands dutch
    europe european
    india indian
    brazil brazilian
    rome roman
    greece greek
    connect connection
    install installation
    transfer transferable
    drink drinkable
    register registration
"""
CONCEPTS = {
    word: f"+{words[0]}" for words in map(str.split, _CONCEPTS.strip().splitlines()) for word in words
}
