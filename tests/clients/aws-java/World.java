import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.Consumer;
import java.util.stream.Stream;

import javax.net.ssl.TrustManagerFactory;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.SdkRequest;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.core.metrics.CoreMetric;
import software.amazon.awssdk.http.Http2Metric;
import software.amazon.awssdk.http.HttpMetric;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.TlsTrustManagersProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.async.SdkAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.metrics.MetricCollection;
import software.amazon.awssdk.metrics.MetricPublisher;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.cloudwatch.CloudWatchClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescription;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.waiters.KinesisAsyncWaiter;
import software.amazon.awssdk.services.kinesis.waiters.KinesisWaiter;
import software.amazon.awssdk.utils.AttributeMap;

/** What a case gets: clients that speak one protocol over one transport, and what was seen of them. */
final class World {
    /** The access key that clients have unless they are abroad: it names the account. */
    static final String ACCOUNT = "111122223333";

    enum Transport {
        /** The synchronous client as it comes: HTTP/1.1 by Apache's client, CBOR. */
        SYNC("sync", "http", false, true, "Apache5", false),
        /** The same over TLS, with CBOR switched off. */
        SYNC_TLS_JSON("sync-tls-json", "https", false, false, "Apache5", false),
        /** The asynchronous client as it comes: HTTP/2 by Netty, CBOR; in cleartext with prior knowledge. */
        ASYNC("async", "http", true, true, "NettyNio", true),
        /** Over TLS HTTP/2 is agreed upon by ALPN. */
        ASYNC_TLS("async-tls", "https", true, true, "NettyNio", true),
        /** The same with CBOR switched off, and with any certificate trusted. */
        ASYNC_TLS_JSON("async-tls-json", "https", true, false, "NettyNio", true);

        final String name;
        final String scheme;
        final boolean isAsync;
        final boolean isCbor;
        final String httpClient;
        final boolean isHttp2;

        Transport(String name, String scheme, boolean isAsync, boolean isCbor, String httpClient, boolean isHttp2) {
            this.name = name;
            this.scheme = scheme;
            this.isAsync = isAsync;
            this.isCbor = isCbor;
            this.httpClient = httpClient;
            this.isHttp2 = isHttp2;
        }
    }

    final Server server;
    final Transport transport;
    /** The synchronous client, or the asynchronous one behind the same interface. */
    KinesisClient kinesis;
    /** Only if the transport is asynchronous. */
    KinesisAsyncClient async;
    CloudWatchClient watch;
    /** A stream that something was put to at the start, and nothing since. */
    String measured;

    final Set<String> called = new ConcurrentSkipListSet<>();
    /** How many requests had which content type, SubscribeToShard apart. */
    final Map<String, Integer> media = new ConcurrentHashMap<>();
    /** How many calls went over which HTTP. */
    final Map<String, Integer> protocols = new ConcurrentHashMap<>();

    private final Region region;
    private final String account;

    World(Server server, Transport transport) {
        this(server, transport, Region.US_EAST_1, ACCOUNT);
    }

    private World(Server server, Transport transport, Region region, String account) {
        this.server = server;
        this.transport = transport;
        this.region = region;
        this.account = account;
    }

    /** The same client in another account and region. */
    World abroad(String region, String account) throws Exception {
        World abroad = new World(server, transport, Region.of(region), account);
        abroad.connect();
        return abroad;
    }

    String name() {
        return "aws-java-" + transport.name;
    }

    /** Makes clients for where the server is now. */
    void connect() throws Exception {
        // Read when a client is made.
        System.setProperty("aws.cborEnabled", String.valueOf(transport.isCbor));
        TlsTrustManagersProvider trust = trustManagers();
        if (transport.isAsync) {
            async = configured(KinesisAsyncClient.builder().httpClientBuilder(netty(trust))).build();
            kinesis = waiting(KinesisClient.class, KinesisAsyncClient.class, async);
            watch = waiting(
                    CloudWatchClient.class,
                    CloudWatchAsyncClient.class,
                    configured(CloudWatchAsyncClient.builder().httpClientBuilder(netty(trust))).build());
        } else {
            kinesis = configured(KinesisClient.builder().httpClientBuilder(apache(trust))).build();
            watch = configured(CloudWatchClient.builder().httpClientBuilder(apache(trust))).build();
        }
    }

    /** Trusts the server's certificate and no other; null where there is no TLS or everything is to be trusted. */
    private TlsTrustManagersProvider trustManagers() throws Exception {
        if (transport.scheme.equals("http") || transport == Transport.ASYNC_TLS_JSON) {
            return null;
        }
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        byte[] shown = server.certificate().getBytes(StandardCharsets.US_ASCII);
        store.setCertificateEntry(
                "gateway", CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(shown)));
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory::getTrustManagers;
    }

    private static SdkHttpClient.Builder<?> apache(TlsTrustManagersProvider trust) {
        return trust == null ? Apache5HttpClient.builder() : Apache5HttpClient.builder().tlsTrustManagersProvider(trust);
    }

    /** Which HTTP it speaks is left to the SDK, whose defaults for Kinesis name HTTP/2. */
    private static SdkAsyncHttpClient.Builder<?> netty(TlsTrustManagersProvider trust) {
        if (trust != null) {
            return NettyNioAsyncHttpClient.builder().tlsTrustManagersProvider(trust);
        }
        return new Credulous();
    }

    /** Netty's client that trusts any certificate. */
    private static final class Credulous implements SdkAsyncHttpClient.Builder<Credulous> {
        @Override
        public SdkAsyncHttpClient buildWithDefaults(AttributeMap defaults) {
            AttributeMap anyone = AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build();
            return NettyNioAsyncHttpClient.builder().buildWithDefaults(anyone.merge(defaults));
        }
    }

    private <B extends AwsClientBuilder<B, C>, C> B configured(B builder) throws IOException {
        return builder
                .endpointOverride(URI.create(transport.scheme + "://" + server.kinesis()))
                .region(region)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(account, "local")))
                .overrideConfiguration(o -> o
                        .retryStrategy(AwsRetryStrategy.doNotRetry())
                        .addMetricPublisher(new Watcher())
                        .addExecutionInterceptor(new Watcher()));
    }

    /** Notes operations, the content types of their requests, and which HTTP each call took. */
    private final class Watcher implements ExecutionInterceptor, MetricPublisher {
        @Override
        public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
            String operation = attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME);
            called.add(operation);
            String type = context.httpRequest().firstMatchingHeader("Content-Type").orElse("none");
            // The one operation for which the SDK never takes CBOR.
            boolean isApart = operation.equals("SubscribeToShard");
            if (attributes.getAttribute(SdkExecutionAttribute.SERVICE_NAME).equals("Kinesis")) {
                media.merge(isApart ? operation + " " + type : type, 1, Integer::sum);
            }
        }

        @Override
        public void publish(MetricCollection call) {
            if (call.metricValues(CoreMetric.SERVICE_ID).contains("Kinesis")) {
                call.childrenWithName("ApiCallAttempt").flatMap(attempt -> attempt.childrenWithName("HttpClient")).forEach(http -> {
                    boolean isHttp2 = !http.metricValues(Http2Metric.LOCAL_STREAM_WINDOW_SIZE_IN_BYTES).isEmpty();
                    String client = http.metricValues(HttpMetric.HTTP_CLIENT_NAME).get(0);
                    protocols.merge(client + (isHttp2 ? " HTTP/2" : " HTTP/1.1"), 1, Integer::sum);
                });
            }
        }

        @Override
        public void close() {}
    }

    /**
     * The asynchronous client as a synchronous one, so that the cases are written once: each call is made on the client and its
     * future waited for. Paginators and waiters are those of the synchronous interface.
     */
    private static <S, A> S waiting(Class<S> face, Class<A> asynchronous, A client) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            if (method.isDefault() && !(arguments != null && arguments.length == 1 && arguments[0] instanceof SdkRequest)
                    || method.getName().endsWith("Paginator")) {
                return InvocationHandler.invokeDefault(proxy, method, arguments);
            }
            Object answer = asynchronous.getMethod(method.getName(), method.getParameterTypes()).invoke(client, arguments);
            try {
                return answer instanceof CompletableFuture<?> future ? future.join() : answer;
            } catch (CompletionException failed) {
                throw failed.getCause();
            }
        };
        return face.cast(Proxy.newProxyInstance(World.class.getClassLoader(), new Class<?>[] {face}, handler));
    }

    /** Each client has a waiter of its own kind. */
    void exists(String stream) {
        if (async == null) {
            try (KinesisWaiter waiter = kinesis.waiter()) {
                waiter.waitUntilStreamExists(d -> d.streamName(stream));
            }
        } else {
            try (KinesisAsyncWaiter waiter = async.waiter()) {
                waiter.waitUntilStreamExists(d -> d.streamName(stream)).join();
            }
        }
    }

    void isGone(String stream) {
        if (async == null) {
            try (KinesisWaiter waiter = kinesis.waiter()) {
                waiter.waitUntilStreamNotExists(d -> d.streamName(stream));
            }
        } else {
            try (KinesisAsyncWaiter waiter = async.waiter()) {
                waiter.waitUntilStreamNotExists(d -> d.streamName(stream)).join();
            }
        }
    }

    static String unique() {
        return "s-" + UUID.randomUUID().toString().substring(0, 8);
    }

    String stream(int shards) {
        String name = unique();
        kinesis.createStream(c -> c.streamName(name).shardCount(shards));
        exists(name);
        return name;
    }

    StreamDescription describe(String stream) {
        return kinesis.describeStream(d -> d.streamName(stream)).streamDescription();
    }

    StreamDescriptionSummary summary(String stream) {
        return kinesis.describeStreamSummary(d -> d.streamName(stream)).streamDescriptionSummary();
    }

    String arn(String stream) {
        return summary(stream).streamARN();
    }

    String iterator(String stream, String shard) {
        return iterator(stream, shard, g -> g.shardIteratorType(ShardIteratorType.TRIM_HORIZON));
    }

    String iterator(String stream, String shard, Consumer<GetShardIteratorRequest.Builder> position) {
        return kinesis.getShardIterator(g -> position.accept(g.streamName(stream).shardId(shard))).shardIterator();
    }

    GetRecordsResponse get(String iterator) {
        return kinesis.getRecords(g -> g.shardIterator(iterator));
    }

    /** Puts each value as a record of its own; their sequence numbers. */
    List<String> put(String stream, String... values) {
        return Stream.of(values)
                .map(value -> kinesis.putRecord(p -> p.streamName(stream).partitionKey("a").data(SdkBytes.fromUtf8String(value))))
                .map(PutRecordResponse::sequenceNumber)
                .toList();
    }

    /** The ARN of a new consumer that may subscribe. */
    String registered(String stream, String name) {
        String arn = arn(stream);
        String consumer = kinesis.registerStreamConsumer(r -> r.streamARN(arn).consumerName(name)).consumer().consumerARN();
        Check.until(() -> kinesis.describeStreamConsumer(d -> d.consumerARN(consumer)).consumerDescription().consumerStatus()
                == ConsumerStatus.ACTIVE);
        return consumer;
    }

    static List<String> values(List<Record> records) {
        return records.stream().map(record -> record.data().asUtf8String()).toList();
    }
}
