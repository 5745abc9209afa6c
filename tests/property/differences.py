"""Where core and description are known to differ: the model does as the core does while an entry is False.

An entry is removed, with its uses, once the core is mended.
"""

CORE_HAS_IT = {
    "a return request cancels its debit whatever the others have grown to": False,
    "a succeeded debit blocks lowering even without a payment": False,
    "what stays overdue is debited again even when its return ended before its due date": False,
    "an extension that was asked for in time moves what is overdue by now": False,
    "a reversal told late debits at once only what it makes anew": False,
}
