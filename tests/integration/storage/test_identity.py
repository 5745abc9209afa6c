import pytest

from storage.identity import IdentityMismatchError, bind, identity


async def test_a_new_database_is_bound_to_whoever_comes_first(connection):
    before = await identity(connection)
    assert (before.cluster_id, before.prefix, before.group) == (None, None, None)
    bound = await bind(connection, "cluster", "", "postpay")
    assert (bound.database_id, bound.cluster_id, bound.prefix, bound.group) == (
        before.database_id,
        "cluster",
        "",
        "postpay",
    )
    assert await bind(connection, "cluster", "", "postpay") == bound


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            ("other", "", "postpay"),
            "Kafka cluster 'cluster', but .* name 'other'; set POSTPAY_KAFKA__BOOTSTRAP",
        ),
        (("cluster", "x-", "postpay"), "topic prefix '', but the settings name 'x-'; set POSTPAY_TOPICS__PREFIX"),
        (("cluster", "", "x"), "consumer group 'postpay', but the settings name 'x'; set POSTPAY_GROUP"),
    ],
)
async def test_another_cluster_prefix_or_group_is_refused_by_name(connection, given, named):
    await bind(connection, "cluster", "", "postpay")
    with pytest.raises(IdentityMismatchError, match=named):
        await bind(connection, *given)


async def test_two_databases_have_two_ids(connection, empty_database):
    from settlement.terms import TermsBook
    from storage.migrations import migrate

    other = await migrate(empty_database.dsn, lanes=4, terms=TermsBook.builtin().document)
    assert other.database_id != (await identity(connection)).database_id
