"""Addresses of pages, as they are compared and led to."""

import pytest
from aiohttp.test_utils import make_mocked_request

from console.app import address_of
from console.rendering import link


@pytest.mark.parametrize("account_id", ["a-1", "a#1", "100%", "a&b=c", "a+b c", "%23", "王", "\\?x", ""])
def test_an_address_leads_to_the_page_whose_address_it_is(account_id):
    asked = make_mocked_request("GET", link("/account.json", id=account_id))
    page = make_mocked_request("GET", address_of(asked))
    assert page.query["id"] == account_id
    assert address_of(page) == address_of(asked) == link("/account", id=account_id)


def test_an_address_is_the_same_however_its_query_was_spelled():
    spellings = ("/conflict?id=purchase/0/12&x=a%20b", "/conflict.json?id=purchase%2F0%2f12&x=a+b")
    assert {address_of(make_mocked_request("GET", each)) for each in spellings} == {
        "/conflict?id=purchase%2F0%2F12&x=a+b"
    }
    assert [address_of(make_mocked_request("GET", each)) for each in ("/now.json", "/lanes.json")] == ["/", "/lanes"]
