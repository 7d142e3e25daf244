import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicLong;

/** Stands between KPL and the gateway's CloudWatch, because KPL tells of an upload only if it fails. */
final class Relay {
    private final ServerSocket socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final String host;
    private final int port;
    private final AtomicLong sentBytes = new AtomicLong();
    private final AtomicLong answeredBytes = new AtomicLong();

    Relay(String host, int port) throws IOException {
        this.host = host;
        this.port = port;
        start(() -> {
            while (true) {
                Socket client = socket.accept();
                Socket server = new Socket(this.host, this.port);
                start(() -> pass(client, server, sentBytes));
                start(() -> pass(server, client, answeredBytes));
            }
        });
    }

    int port() {
        return socket.getLocalPort();
    }

    long sentBytes() {
        return sentBytes.get();
    }

    long answeredBytes() {
        return answeredBytes.get();
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                // What the one side misses the other one logs.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static void pass(Socket from, Socket to, AtomicLong bytes) throws IOException {
        try (from; to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] buffer = new byte[8192];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                out.write(buffer, 0, read);
                bytes.addAndGet(read);
            }
        }
    }
}
