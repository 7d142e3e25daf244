/** Apache Kafka's console tools. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        new Suite()
                .add("admin", ToolCases::admin)
                .add("produce", ToolCases::produce)
                .add("idempotence", ToolCases::idempotence)
                .add("group", ToolCases::group)
                .add("restart", ToolCases::restart)
                .add("seek", ToolCases::seek)
                .addNoted("edges", ToolCases::edges)
                .run("kafka-tools", arguments);
    }
}
