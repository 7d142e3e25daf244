import com.google.common.util.concurrent.ListenableFuture;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.UserRecordResult;

/** A user record that KPL has got: its number is that of its key, key and hash key may be absent, and KPL's answer comes. */
record Sent(String key, int number, String hashKey, byte[] data, ListenableFuture<UserRecordResult> answer) {
    /** The data begins with KEY:NUMBER: and is at least so long. */
    static Sent to(KinesisProducer producer, String stream, String key, int number, String hashKey, int size) {
        byte[] name = (key + ":" + number + ":").getBytes(StandardCharsets.UTF_8);
        byte[] data = Arrays.copyOf(name, Math.max(name.length, size));
        Arrays.fill(data, name.length, data.length, (byte) number);
        return new Sent(key, number, hashKey, data,
                producer.addUserRecord(stream, key, hashKey, ByteBuffer.wrap(data)));
    }

    String name() {
        return key + ":" + number;
    }

    static String nameOf(byte[] data) {
        String[] parts = new String(data, 0, Math.min(data.length, 64), StandardCharsets.ISO_8859_1).split(":");
        return parts[0] + ":" + parts[1];
    }

    /** Where in the hash space the record belongs. */
    BigInteger hash() throws NoSuchAlgorithmException {
        return hashKey != null
                ? new BigInteger(hashKey)
                : new BigInteger(1, MessageDigest.getInstance("MD5").digest(key.getBytes(StandardCharsets.UTF_8)));
    }
}
