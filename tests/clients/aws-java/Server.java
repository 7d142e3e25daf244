import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The gateway under test, through tests/clients/subject. */
record Server(Path clients, Path dir) {
    /** HOST:PORT of the Kinesis door. */
    String kinesis() throws IOException {
        String ports = Files.readString(dir.resolve("ports.json"));
        Matcher found = Pattern.compile("\"kinesis\"\\s*:\\s*\"([^\"]+)\"").matcher(ports);
        Check.that(found.find(), "no Kinesis door in " + ports);
        return found.group(1);
    }

    /** In PEM; a new one at every start. */
    String certificate() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(clients.resolve("certificate").toString(), kinesis())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String certificate = new String(process.getInputStream().readAllBytes());
        Check.equal(process.waitFor(), 0, "exit code of certificate");
        return certificate;
    }

    /** Another one with Kinesis's limits, in a directory of its own. */
    Server startLimited(String name) throws IOException, InterruptedException {
        Server limited = new Server(clients, dir.resolve(name));
        limited.call("start", "--limits kinesis --tls-self-signed true");
        return limited;
    }

    void kill() throws IOException, InterruptedException {
        call("kill", "");
    }

    /** With the flags that it was started with. */
    void resume() throws IOException, InterruptedException {
        call("resume", System.getenv("SHARDGATE_FLAGS"));
    }

    private void call(String word, String flags) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(clients.resolve("subject").toString(), word, dir.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("SHARDGATE_FLAGS", flags);
        Check.equal(builder.start().waitFor(), 0, "exit code of subject " + word);
    }
}
