"""The command ``twinstroke``: one module for each verb, loaded only when the verb is called.

`main` has the list of verbs, and turns errors into one line. `options` has what several verbs
share. Each other module is named after its verb: ``twinstroke check-submission`` is
`check_submission`.
"""
