import json

import pytest

ACCOUNT_FIELDS = [
    "account_id", "programme", "status", "freeze_reasons", "currency", "score", "limit_minor", "granted_minor",
    "available_minor", "held_minor", "used_minor", "customer_credit_minor", "payoff_minor", "charged_off_minor", "owed",
    "orders", "returns", "debits", "payouts", "cash_outs", "other_obligations", "history",
]  # fmt: skip
MERCHANT_FIELDS = {
    "merchant_id", "currency", "payable_minor", "shop_balance_minor", "deposits", "deposit_refunds", "open", "history",
    "registered_on", "settlement_cycle_days", "next_payout_at", "balances", "payouts", "shop_withdrawals", "open_cases",
}  # fmt: skip


async def test_account_show_gives_every_documented_field(shop):
    story = shop.postpay("account", "show", "a-1", "--json").json
    assert sorted(story) == sorted(ACCOUNT_FIELDS)
    assert story["status"] == "active"
    assert (story["limit_minor"], story["available_minor"], story["used_minor"]) == (500_000, 380_000, 120_000)
    assert story["owed"] == {"principal_minor": 120_000, "fee_minor": 0, "penalty_minor": 0}
    (order,) = story["orders"]
    assert order["status"] == "owed"
    (obligation,) = order["obligations"]
    assert (obligation["due_on"], obligation["principal_minor"], obligation["status"]) == (
        "2026-02-01",
        120_000,
        "open",
    )
    told = [(each["event_id"], each["outcome"], each["reason"]) for each in story["history"]]
    undecided = {("p-e9", "parked", None), (None, "dead_lettered", "nul")}  # batches tell which comes first
    assert undecided <= set(told)
    assert [each for each in told if each not in undecided] == [
        ("c-e1", "applied", None),
        ("p-e1", "applied", None),
        ("p-e2", "applied", None),
        ("p-e3", "declined", "limit_exceeded"),
    ]


async def test_account_show_tells_the_story_in_words(shop):
    told = shop.postpay("account", "show", "a-1")
    assert told.code == 0
    assert "Account a-1 of kuaishou is active, credit score 700." in told.out
    assert "Of its limit of 5,000.00 CNY, 3,800.00 CNY is available" in told.out
    assert "It owes 1,200.00 CNY" in told.out
    assert "limit_exceeded" in told.out


async def test_an_unknown_account_is_found_wrong(shop):
    ran = shop.postpay("account", "show", "nobody", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "no account 'nobody' is known" in ran.complaint


async def test_merchant_show_gives_every_documented_field(shop):
    story = shop.postpay("merchant", "show", "m-1", "--json").json
    assert set(story) >= MERCHANT_FIELDS
    assert story["payable_minor"] == 120_000
    assert story["open"] == {"promotions": 0, "disputes": 0, "after_sales": 0, "violations": 0}
    (deposit,) = story["deposits"]
    assert (deposit["route"], deposit["left_minor"], deposit["frozen_until"]) == ("alipay", 200_000, "2026-01-31")


async def test_merchant_show_tells_the_story_in_words(shop):
    told = shop.postpay("merchant", "show", "m-1")
    assert "Nothing stands against a refund of its deposits." in told.out
    assert "2,000.00 CNY" in told.out


async def test_an_unknown_merchant_is_found_wrong(shop):
    assert shop.postpay("merchant", "show", "nobody").code == 1


async def test_decision_show_gives_outcome_postings_and_outputs(shop):
    story = shop.postpay("decision", "show", "purchase", "p-e2", "--json").json
    assert (story["outcome"], story["reason"]) == ("applied", None)
    assert {(each["debit"], each["credit"], each["amount_minor"]) for each in story["postings"]} >= {
        ("receivable", "merchant_transit", 120_000)
    }
    declined = shop.postpay("decision", "show", "purchase", "p-e3", "--json").json
    assert (declined["outcome"], declined["reason"], declined["postings"]) == ("declined", "limit_exceeded", [])
    assert [each["type"] for each in declined["outputs"]] == ["notification.requested"]


async def test_decision_show_tells_it_in_words(shop):
    assert (
        "was declined at 2026-01-05 10:00:00: limit_exceeded"
        in shop.postpay("decision", "show", "purchase", "p-e3").out
    )
    assert "it waits for order o-9" in shop.postpay("decision", "show", "purchase", "p-e9").out.replace(":", " ")


async def test_a_decision_of_an_unknown_event_is_found_wrong_and_of_an_unknown_topic_misuse(shop):
    assert shop.postpay("decision", "show", "purchase", "nothing").code == 1
    ran = shop.postpay("decision", "show", "purchases", "p-e1")
    assert ran.code == 2
    assert "expected a topic without prefix" in ran.complaint


async def test_dead_letters_are_listed_one_json_line_each_and_shown_with_their_bytes(shop):
    (letter,) = shop.postpay("dead-letters", "list", "--json").lines
    assert (letter["reason"], letter["topic"], letter["key"]) == ("nul", "purchase", "a-1")
    shown = shop.postpay("dead-letters", "show", letter["id"], "--json").json
    assert shown["value"] == {"base64": "AP8="}
    assert shop.postpay("dead-letters", "list", "--reason", "nul", "--json").lines == [letter]
    assert shop.postpay("dead-letters", "list", "--reason", "empty", "--json").out == ""
    assert letter["id"] in shop.postpay("dead-letters", "list").out
    assert "\\x00\\xff" in shop.postpay("dead-letters", "show", letter["id"]).out


async def test_an_unknown_dead_letter_is_found_wrong_and_an_unknown_reason_misuse(shop):
    assert shop.postpay("dead-letters", "show", "purchase/0/999").code == 1
    assert shop.postpay("dead-letters", "list", "--reason", "bored").code == 2


async def test_the_audit_finds_the_books_right(shop):
    ran = shop.postpay("audit", "--json")
    assert ran.code == 0, ran.out
    assert ran.json["ok"] is True
    assert all(set(check) == {"name", "ok", "detail"} and check["ok"] for check in ran.json["checks"])
    assert len(ran.json["checks"]) >= 5
    assert "the books are right" in shop.postpay("audit").out


async def test_lag_says_that_everything_is_settled_and_relayed(shop):
    ran = shop.postpay("lag", "--json")
    assert ran.code == 0
    assert (ran.json["caught_up"], ran.json["records"], ran.json["batches"]) == (True, 0, 0)
    assert {(each["lane"], each["topic"]) for each in ran.json["settled"]} >= {
        (0, "purchase"),
        (1, "merchant-activity"),
    }
    assert [each["lane"] for each in ran.json["relayed"]] == [0, 1]
    assert "everything is settled and relayed" in shop.postpay("lag").out


async def test_terms_in_force_are_shown(shop):
    (document,) = shop.postpay("terms", "show", "--json").json["documents"]
    assert document["lanes"] == [0, 1]
    assert set(document["terms"]["versions"][0]["programmes"]) == {"kuaishou", "taobao", "douyin", "tmall"}
    assert "score from 650" in shop.postpay("terms", "show").out


@pytest.mark.parametrize(
    "command",
    [
        ("account", "show", "a-1"),
        ("merchant", "show", "m-1"),
        ("decision", "show", "purchase", "p-e1"),
        ("dead-letters", "list"),
        ("audit",),
        ("terms", "show"),
        ("migrate",),
    ],
)
async def test_a_database_that_is_away_is_one_line_without_the_password(shop, nowhere, command):
    ran = shop.postpay(*command, POSTPAY_POSTGRES__DSN=nowhere["POSTPAY_POSTGRES__DSN"])
    assert ran.code == 2
    assert ran.complaint.startswith("error: Postgres at 127.0.0.1:")
    assert "hidden" not in ran.complaint


async def test_a_wrong_database_password_is_one_line(shop, stack):
    wrong = stack.dsn.replace("@", "x@")
    ran = shop.postpay("audit", POSTPAY_POSTGRES__DSN=wrong)
    assert ran.code == 2
    assert "password authentication failed" in ran.complaint


async def test_a_database_that_is_not_migrated_says_what_to_run(shop, empty_database):
    ran = shop.postpay("audit", POSTPAY_POSTGRES__DSN=empty_database.dsn)
    assert ran.code == 2
    place = empty_database.dsn.rpartition("@")[2]
    assert ran.complaint == (
        "error: the database lacks migration 0001_lanes; run `postpay migrate`;"
        f" the database is {place} (POSTPAY_POSTGRES__DSN)"
    )


READING_BOTH = [("lag",), ("dead-letters", "redrive", "purchase/0/4")]
READING_TOPICS = [("history", "export", "nowhere"), ("replay", "verify")]


@pytest.mark.parametrize("command", [*READING_BOTH, *READING_TOPICS], ids=" ".join)
async def test_a_wrong_number_of_lanes_is_told_the_right_one(shop, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = shop.postpay(*command, POSTPAY_LANES="5")
    assert ran.code == 2
    assert "POSTPAY_LANES says 5; set POSTPAY_LANES=2" in ran.complaint
    assert "topics create" not in ran.complaint


async def test_a_prefix_that_is_another_databases_is_told(shop):
    ran = shop.postpay("lag", POSTPAY_TOPICS__PREFIX="other-")
    assert ran.code == 2
    assert "set POSTPAY_TOPICS__PREFIX back" in ran.complaint


@pytest.mark.parametrize("command", READING_TOPICS, ids=" ".join)
async def test_topics_that_are_missing_name_the_command_that_makes_them(shop, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = shop.postpay(*command, POSTPAY_TOPICS__PREFIX="other-")
    assert ran.code == 2
    assert ran.complaint.endswith("has no topic other-purchase and 16 more; run: postpay topics create")


@pytest.mark.parametrize(
    "command",
    [("lag",), ("topics", "check"), ("topics", "create"), ("consume", "purchase"), ("produce", "-")],
)
async def test_a_broker_that_is_away_is_one_line(shop, nowhere, command):
    ran = shop.postpay(*command, POSTPAY_KAFKA__BOOTSTRAP=nowhere["POSTPAY_KAFKA__BOOTSTRAP"], stdin=b"{}")
    assert ran.code == 2
    assert ran.complaint.startswith("error: Kafka at 127.0.0.1:")


async def test_wrong_settings_are_one_line_of_any_command(shop):
    ran = shop.postpay("audit", POSTPAY_LANES="many")
    assert ran.code == 2
    assert ran.complaint == "error: POSTPAY_LANES: expected a whole number from 1 to 1024, got 'many'"


@pytest.mark.parametrize("arguments", [("lga",), ("account", "show"), ("lag", "--wait", "soon"), ("consume",)])
async def test_misuse_ends_with_2(shop, arguments):
    ran = shop.postpay(*arguments)
    assert ran.code == 2
    assert "Usage: postpay" in ran.err


async def test_what_scripts_read_is_one_json_document_on_one_line(shop):
    for command in (["account", "show", "a-1"], ["merchant", "show", "m-1"], ["audit"], ["lag"], ["terms", "show"]):
        out = shop.postpay(*command, "--json").out
        assert out.count("\n") == 1
        json.loads(out)


async def test_the_console_script_ends_with_the_same_codes_and_lines(shop, nowhere):
    """The other tests call it within their own process."""
    assert shop.postpay.process("audit", "--json").json["ok"] is True
    assert shop.postpay.process("account", "show", "nobody").code == 1
    ran = shop.postpay.process("lag", POSTPAY_KAFKA__BOOTSTRAP=nowhere["POSTPAY_KAFKA__BOOTSTRAP"])
    assert ran.code == 2
    assert ran.complaint.startswith("error: Kafka at")
