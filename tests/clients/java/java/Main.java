/** The producer, consumer and admin client of kafka-clients. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        new Suite()
                .add("admin", AdminCase::run)
                .add("admin-table", AdminTable::run)
                .add("produce", RecordCases::produce)
                .add("idempotence", RecordCases::idempotence)
                .add("group", GroupCases::group)
                .add("restart", GroupCases::restart)
                .add("seek", RecordCases::seek)
                .add("edges", RecordCases::edges)
                .add("transactions", TransactionCase::run)
                .add("consumer", GroupCases::consumer)
                .add("registry", RegistryCase::run)
                .add("share", ShareCases::share)
                .add("share-renew", ShareCases::shareRenew)
                .add("share-restart", ShareCases::shareRestart)
                .run("java", arguments);
    }
}
