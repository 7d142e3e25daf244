//! A Kafka client that says exactly what a test wants.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ProduceRequest, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// One connection.
pub(crate) struct Kafka<S = DuplexStream> {
    pub(crate) pipe: S,
    client_id: &'static str,
    sent: i32,
    answered: i32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Kafka<S> {
    /// Speaks through `pipe`.
    pub(crate) fn over(pipe: S) -> Self {
        Self::named("tests", pipe)
    }

    /// Speaks through `pipe` under this `client.id`.
    pub(crate) fn named(client_id: &'static str, pipe: S) -> Self {
        Self { pipe, client_id, sent: 0, answered: 0 }
    }

    /// Sends a request and returns its answer.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: R) -> R::Response {
        self.send(version, &request).await;
        self.receive::<R>(version).await
    }

    /// Sends a request.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = self.frame_of(version, request);
        self.pipe.write_all(&frame).await.unwrap();
    }

    /// Sends a request with any body.
    pub(crate) async fn send_body(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) {
        let frame = self.frame(key, version, header_version, body);
        self.pipe.write_all(&frame).await.unwrap();
    }

    /// The frame of a request, which counts as sent.
    pub(crate) fn frame_of<R: Request>(&mut self, version: i16, request: &R) -> BytesMut {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        self.frame(R::KEY, version, R::header_version(version), &body)
    }

    fn frame(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) -> BytesMut {
        self.sent += 1;
        let header = RequestHeader::default()
            .with_request_api_key(key)
            .with_request_api_version(version)
            .with_correlation_id(self.sent)
            .with_client_id(Some(StrBytes::from_static_str(self.client_id)));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, header_version).unwrap();
        frame.extend_from_slice(body);
        let length = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame
    }

    /// The answer to the first request that has none yet, which was `R` in `version`.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        self.receive_as::<R::Response>(version).await
    }

    /// The next answer, decoded as `A` in `version`; all of it.
    pub(crate) async fn receive_as<A: Decodable + HeaderVersion>(&mut self, version: i16) -> A {
        self.try_receive(version).await.expect("an answer")
    }

    /// The same, or what became of the connection.
    pub(crate) async fn try_receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> std::io::Result<A> {
        let length = self.pipe.read_i32().await?;
        self.answered += 1;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.pipe.read_exact(&mut frame).await?;
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, A::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.answered, "answers are in order");
        let answer = A::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes follow the answer", frame.len());
        Ok(answer)
    }

    /// Counts a request as answered that gets no answer.
    pub(crate) fn skip(&mut self) {
        self.answered += 1;
    }

    /// Whether the gateway closes the connection without another answer.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.pipe.read(&mut [0]).await, Ok(0) | Err(_))
    }

    /// Writes one batch and returns its partition's answer.
    pub(crate) async fn produce(&mut self, topic: &'static str, partition: i32, records: Bytes) -> PartitionProduceResponse {
        let mut response = self.call(9, produce(topic, partition, Some(records))).await;
        response.responses.remove(0).partition_responses.remove(0)
    }
}

/// A request with one batch and acks=all.
pub(crate) fn produce(topic: &'static str, partition: i32, records: Option<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(records);
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

/// A topic's name.
pub(crate) fn name(topic: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(topic))
}

/// A text of the protocol.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
