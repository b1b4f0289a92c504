//! One small adapter for each pair of workers: what one asks for as a trait, fulfilled by another.
//!
//! | file | from | to |
//! |---|---|---|
//! | `log_to_delivery.rs` | a delivery stream's buffer in the log | delivery's `Source` |
//! | `catalog_to_delivery.rs` | the catalog | delivery's `PositionStore` |
//! | `function_to_transform.rs` | a function | delivery's `Transform` |
//! | `endpoint_to_classifier.rs` | an endpoint | the functions' `Classifier` |
//! | `monitor_to_functions.rs` | the monitor | the functions' `MetricSink` and `Publisher` |
//! | `rejected_to_log.rs` | rows that functions reject | a stream, and what people see |
//! | `monitor_to_live.rs` | mails and alarms | what people see |
//! | `delivery_to_live.rs` | what a delivery tells | what people see |

pub(crate) mod catalog_to_delivery;
pub(crate) mod delivery_to_live;
pub(crate) mod endpoint_to_classifier;
pub(crate) mod function_to_transform;
pub(crate) mod log_to_delivery;
pub(crate) mod monitor_to_functions;
pub(crate) mod monitor_to_live;
pub(crate) mod rejected_to_log;
