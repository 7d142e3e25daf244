/** Spring Kafka's listener containers. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        new Suite()
                .add("container", ContainerCases::container)
                .add("transactions", ContainerCases::transactions)
                .add("consumer", ContainerCases::consumer)
                .add("restart", ContainerCases::restart)
                .run("spring", arguments);
    }
}
