//! The names by which AWS knows resources, as they show in events.

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";
/// The account that owns everything.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Of a delivery stream.
pub(crate) fn delivery_stream_arn(name: &str) -> String {
    format!("arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}")
}

/// Of a stream.
pub(crate) fn stream_arn(name: &str) -> String {
    format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}")
}

/// Of a function.
pub(crate) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

/// Of an application.
pub(crate) fn application_arn(name: &str) -> String {
    format!("arn:aws:kinesisanalytics:{REGION}:{ACCOUNT}:application/{name}")
}
