import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;

/** The server under test, through tests/clients/subject. */
record Server(Path subject, Path dir) {
    String bootstrap() throws IOException {
        return Files.readString(dir.resolve("bootstrap")).strip();
    }

    boolean isKafka() {
        return "kafka".equals(System.getenv("SUBJECT"));
    }

    boolean listens() throws IOException {
        String[] address = bootstrap().split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            return socket.isConnected();
        } catch (ConnectException refused) {
            return false;
        }
    }

    void kill() throws Exception {
        call("kill");
    }

    void resume() throws Exception {
        call("resume");
    }

    private void call(String word) throws Exception {
        Process process = new ProcessBuilder(subject.toString(), word, dir.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Check.equal(0, process.waitFor(), "exit code of subject " + word);
    }
}
