import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Map;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kinesis.source.KinesisStreamsSource;
import org.apache.flink.connector.kinesis.source.config.KinesisStreamsSourceConfigConstants;
import org.apache.flink.connector.kinesis.source.config.KinesisStreamsSourceConfigConstants.InitialPosition;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** The connector's newer source, which keeps event time shard by shard; it has no table of its own yet. */
record Streams(String arn, String endpoint, String account) implements Job.Source {
    @Override
    public void declare(StreamExecutionEnvironment environment, StreamTableEnvironment tables) {
        Configuration configuration = Configuration.fromMap(Map.of(
                "aws.region", "us-east-1",
                "aws.endpoint", endpoint,
                // Not to wait ten seconds for the children of a shard.
                "flink.shard.discovery.intervalmillis", "500",
                "aws.credentials.provider", "BASIC",
                "aws.credentials.provider.basic.accesskeyid", account,
                "aws.credentials.provider.basic.secretkey", "local"));
        configuration.set(KinesisStreamsSourceConfigConstants.STREAM_INITIAL_POSITION, InitialPosition.TRIM_HORIZON);
        KinesisStreamsSource<String> source = KinesisStreamsSource.<String>builder()
                .setStreamArn(arn)
                .setSourceConfig(configuration)
                .setDeserializationSchema(new SimpleStringSchema())
                .build();
        WatermarkStrategy<String> times = WatermarkStrategy.<String>forMonotonousTimestamps()
                .withTimestampAssigner((click, arrival) -> time(click));
        DataStream<String> clicks = environment.fromSource(source, times, "clicks", Types.STRING).uid("clicks");
        tables.createTemporaryView("clicks", clicks, Schema.newBuilder()
                .column("f0", DataTypes.STRING())
                .columnByExpression("page", "JSON_VALUE(f0, '$.page')")
                .columnByExpression("amount", "JSON_VALUE(f0, '$.amount' RETURNING INTEGER)")
                .columnByExpression("ts", "CAST(JSON_VALUE(f0, '$.ts') AS TIMESTAMP(3))")
                .watermark("ts", "SOURCE_WATERMARK()")
                .build());
    }

    /** Epoch milliseconds; the time is the last field. */
    private static long time(String click) {
        String text = click.substring(click.length() - "yyyy-MM-dd HH:mm:ss\"}".length(), click.length() - 2);
        return LocalDateTime.parse(text.replace(' ', 'T')).toInstant(ZoneOffset.UTC).toEpochMilli();
    }
}
