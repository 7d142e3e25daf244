import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;

/**
 * One login with Java's admin client per line of the input: a file of its settings. Each is answered with one line: "ok",
 * "denied", or what else went wrong.
 */
public final class Login {
    public static void main(String[] arguments) throws Exception {
        // Java refuses files for tokens that are not named here (KIP-1166).
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.files", arguments[0]);
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls", arguments[0]);
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            var settings = new Properties();
            try (var file = Files.newBufferedReader(Path.of(line))) {
                settings.load(file);
            }
            System.out.println(answer(settings));
        }
    }

    private static String answer(Properties settings) {
        try (var admin = Admin.create(settings)) {
            int topics = admin.listTopics().names().get().size();
            return topics == 2 ? "ok" : topics + " topics are seen; there are 2";
        } catch (ExecutionException error) {
            var cause = error.getCause();
            var denied = cause instanceof SaslAuthenticationException || cause instanceof SslAuthenticationException;
            return denied ? "denied" : String.valueOf(cause);
        } catch (Exception error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return String.valueOf(cause).replace('\n', ' ');
        }
    }
}
