//! AWS Query: what KPL and older SDKs and CLIs send to CloudWatch, and the XML that they read.

use super::*;

/// The answer to a form.
async fn post(gateway: &Gateway, form: &str) -> Answered {
    let request = Request::post("/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header("x-amz-date", "20231114T221320Z")
        .header("authorization", AUTHORIZATION);
    gateway.kinesis().send(request.body(Bytes::copy_from_slice(form.as_bytes())).unwrap()).await
}

fn xml(answered: &Answered) -> String {
    assert_eq!(answered.header("content-type"), "text/xml");
    // The id of the request is the one in the headers.
    String::from_utf8(answered.body.to_vec()).unwrap().replace(answered.header("x-amzn-requestid"), "ID")
}

/// What is answered to an action with these parameters, without what is around it.
async fn result(gateway: &Gateway, action: &str, parameters: &str) -> String {
    let answered = post(gateway, &format!("Action={action}&Version=2010-08-01&{parameters}")).await;
    let text = xml(&answered);
    let (head, tail) = (
        format!("<{action}Response xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"),
        format!("<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></{action}Response>"),
    );
    assert_eq!(answered.status, 200, "{text}");
    text.strip_prefix(&head).and_then(|rest| rest.strip_suffix(&tail)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The code and the message of a refusal.
async fn refusal(gateway: &Gateway, form: &str) -> (u16, String, String) {
    let answered = post(gateway, form).await;
    let text = xml(&answered);
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
    };
    assert!(text.starts_with("<ErrorResponse xmlns=\"http"), "{text}");
    assert!(text.contains("<Type>Sender</Type>") && text.ends_with("<RequestId>ID</RequestId></ErrorResponse>"), "{text}");
    (answered.status, part("Code"), part("Message"))
}

#[tokio::test(start_paused = true)]
async fn statistics_are_asked_for_in_a_form_and_answered_in_xml() {
    let gateway = measured().await;
    let asked = "Namespace=AWS%2FKinesis&MetricName=IncomingBytes&StartTime=2023-11-14T22%3A13%3A00Z&EndTime=2023-11-14T23%3A13%3A00Z\
                 &Period=60&Dimensions.member.1.Name=StreamName&Dimensions.member.1.Value=orders";
    let statistics = "Statistics.member.1=Sum&Statistics.member.2=SampleCount";
    assert_eq!(
        result(&gateway, "GetMetricStatistics", &format!("{asked}&{statistics}")).await,
        "<GetMetricStatisticsResult><Label>IncomingBytes</Label><Datapoints><member><Sum>157</Sum><SampleCount>3</SampleCount>\
         <Timestamp>2023-11-14T22:13:00Z</Timestamp><Unit>Bytes</Unit></member></Datapoints></GetMetricStatisticsResult>"
    );
    let extended = result(&gateway, "GetMetricStatistics", &format!("{asked}&ExtendedStatistics.member.1=p100")).await;
    let entry = "<ExtendedStatistics><entry><key>p100</key><value>100</value></entry></ExtendedStatistics>";
    assert!(extended.contains(entry), "{extended}");
}

#[tokio::test(start_paused = true)]
async fn data_and_metrics_are_answered_in_xml() {
    let gateway = measured().await;
    let stat = "MetricDataQueries.member.1.MetricStat";
    let asked = format!(
        "MetricDataQueries.member.1.Id=a&{stat}.Metric.Namespace=AWS/Kinesis&{stat}.Metric.MetricName=IncomingBytes\
         &{stat}.Metric.Dimensions.member.1.Name=StreamName&{stat}.Metric.Dimensions.member.1.Value=orders&{stat}.Period=60\
         &{stat}.Stat=Sum&MetricDataQueries.member.1.ReturnData=true&StartTime=2023-11-14T22:00:00Z&EndTime=2023-11-14T23:00:00Z"
    );
    assert_eq!(
        result(&gateway, "GetMetricData", &asked).await,
        "<GetMetricDataResult><MetricDataResults><member><Id>a</Id><Label>IncomingBytes</Label><Timestamps>\
         <member>2023-11-14T22:13:00Z</member></Timestamps><Values><member>157</member></Values><StatusCode>Complete</StatusCode>\
         </member></MetricDataResults><Messages></Messages></GetMetricDataResult>"
    );
    let asked = "Namespace=AWS/Kinesis&MetricName=SubscribeToShardEvent.Bytes&Dimensions.member.1.Name=ConsumerName";
    assert_eq!(
        result(&gateway, "ListMetrics", asked).await,
        "<ListMetricsResult><Metrics><member><Namespace>AWS/Kinesis</Namespace><MetricName>SubscribeToShardEvent.Bytes</MetricName>\
         <Dimensions><member><Name>StreamName</Name><Value>orders</Value></member><member><Name>ConsumerName</Name>\
         <Value>reader</Value></member></Dimensions></member></Metrics></ListMetricsResult>"
    );
}

#[tokio::test(start_paused = true)]
async fn what_kpl_measures_is_accepted() {
    let gateway = Gateway::start();
    let data = "Namespace=KinesisProducerLibrary&MetricData.member.1.MetricName=UserRecordsPut&MetricData.member.1.Timestamp=\
                2023-11-14T22%3A13%3A20Z&MetricData.member.1.StatisticValues.Sum=7&MetricData.member.1.Unit=Count&\
                MetricData.member.1.Dimensions.member.1.Name=StreamName&MetricData.member.1.Dimensions.member.1.Value=orders";
    assert_eq!(result(&gateway, "PutMetricData", data).await, "");
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_codes_of_query() {
    let gateway = measured().await;
    let asked = "Version=2010-08-01&Namespace=AWS/Kinesis&MetricName=IncomingBytes&StartTime=2023-11-14T22:00:00Z\
                 &EndTime=2023-11-14T23:00:00Z&Dimensions.member.1.Name=StreamName&Dimensions.member.1.Value=orders";
    let with = |parameters: &str| format!("Action=GetMetricStatistics&{asked}&{parameters}");
    for (form, code, message) in [
        (
            "Action=ListMetrics".to_owned(),
            "InvalidAction",
            "Could not find operation ListMetrics for version NO_VERSION_SPECIFIED",
        ),
        (
            "Action=ListMetrics&Version=2009-05-15".to_owned(),
            "InvalidAction",
            "Could not find operation ListMetrics for version 2009-05-15",
        ),
        (
            "Action=PutDashboard&Version=2010-08-01".to_owned(),
            "InvalidAction",
            "Could not find operation PutDashboard for version 2010-08-01",
        ),
        (
            "Action=PutMetricData&Version=2010-08-01".to_owned(),
            "ValidationError",
            "1 validation error detected: Value null at 'namespace' failed to satisfy constraint: Member must not be null",
        ),
        (with("Period=a"), "MalformedInput", "integer must follow xsd1.1 definition"),
        (
            with("Period=60"),
            "InvalidParameterCombination",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        ),
    ] {
        assert_eq!(refusal(&gateway, &form).await, (400, code.to_owned(), message.to_owned()), "{form}");
    }
    let (status, code, message) = refusal(&gateway, &with("Period=60&ExtendedStatistics.member.1=p50")).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValue"));
    assert!(message.starts_with("Not every percentile of IncomingBytes"), "{message}");
    // Somebody who did not sign, and a form that is no request of AWS Query.
    for (form, status, starts) in [
        ("Action=ListMetrics&Version=2010-08-01", 403, "<ErrorResponse xmlns=\"http://monitoring"),
        ("{\"StreamName\":\"orders\"}", 403, "<AccessDeniedException>"),
    ] {
        let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        let answered = gateway.kinesis().send(request.body(Bytes::from_static(form.as_bytes())).unwrap()).await;
        let text = String::from_utf8(answered.body.to_vec()).unwrap();
        assert!(answered.status == status && text.starts_with(starts), "{text}");
    }
}
