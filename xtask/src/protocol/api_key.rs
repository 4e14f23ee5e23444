//! The text of the enum of all APIs.

use std::fmt::Write;

use super::definition::Definitions;

pub(super) fn text(definitions: &Definitions) -> String {
    let (mut variants, mut numbers, mut names) = (String::new(), String::new(), String::new());
    for (key, name) in definitions.api_keys() {
        let _ = write!(variants, "/// The API `{name}`.\n{name} = {key},\n");
        let _ = writeln!(numbers, "{key} => Self::{name},");
        let _ = writeln!(names, "Self::{name} => {name:?},");
    }
    format!(
        "//! The APIs and their numbers.
        //!
        //! Written by `cargo xtask protocol` from Kafka's definitions.

        use std::fmt;

        /// An API, by the number that its requests carry.
        ///
        /// Source: <https://kafka.apache.org/protocol#protocol_api_keys>
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(i16)]
        pub enum ApiKey {{
            {variants}
        }}

        impl ApiKey {{
            /// The API with that number, if this crate knows it.
            #[must_use]
            pub const fn from_wire(value: i16) -> Option<Self> {{
                Some(match value {{
                    {numbers}
                    _ => return None,
                }})
            }}

            /// The number that stands for it.
            #[must_use]
            pub const fn to_wire(self) -> i16 {{
                self as i16
            }}

            /// The name in Kafka's documentation.
            #[must_use]
            pub const fn name(self) -> &'static str {{
                match self {{
                    {names}
                }}
            }}
        }}

        impl fmt::Display for ApiKey {{
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{
                f.write_str(self.name())
            }}
        }}
        "
    )
}
