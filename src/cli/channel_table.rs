//! One rule for channels as the file has it: a table `[[channels]]`.

use fanfare::{ChannelPattern, PublishPolicy, SlowPolicy, SubscribePolicy};
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

use super::flag_values::Ceiling;

/// One rule. What it leaves out is as the flags say.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ChannelTable {
    #[serde(rename = "match", serialize_with = "as_text")]
    pub(crate) pattern: Spanned<ChannelPattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Spanned<PublishPolicy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscribe: Option<Spanned<SubscribePolicy>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_rate: Option<Spanned<Ceiling>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slow_policy: Option<Spanned<SlowPolicy>>,
}

fn as_text<S: Serializer>(
    pattern: &Spanned<ChannelPattern>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(pattern.get_ref())
}
