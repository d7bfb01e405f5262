"""The studio: trained models in the browser, to move their codes and to watch their training.

It is a page over the library's own functions: whatever it shows is a verb's result, so every view
can be repeated as a command or in Python. It imports `genarium`, `genarium.api` and what all verbs
are described by (`signatures`, `verbs`); nothing imports it but its own verb.

    server       routes: JSON in, a packet of pictures out; errors of users as one line
    shelf        the runs that are listed, and the models that are loaded, once each
    describe     what a model can do and what may be set, from signatures; else why not
    views        what a page asks for -> a call of a verb -> a packet
    repeat       the same call as a command and as Python
    turns        one computation at a time; of several states of a slider only the latest
    effects      how much each number of a code changes the image, measured in the background
    pictures     pictures that were dropped or drawn, kept for as long as the server runs
    trainings    trainings started from the page, each the ordinary command in a process of its own
    static/      the page: HTML, CSS and JavaScript modules, as they are served
"""
