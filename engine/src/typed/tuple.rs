//! Tuples: their parts one after the other. All but the last know their own end, and a tuple inside another one is
//! made of such parts only.

use super::codec::{KeyCodec, Position, StartsWith, ValueCodec};

/// Gives the tuple of `$inner` and `$last` both codecs.
macro_rules! tuple {
    ($($inner:ident $place:tt)*; $last:ident $end:tt) => {
        impl<$($inner: KeyCodec,)* $last: KeyCodec> KeyCodec for ($($inner,)* $last,) {
            type Ref<'a> = ($($inner::Ref<'a>,)* $last::Ref<'a>,);
            type Owned = ($($inner::Owned,)* $last::Owned,);

            fn name() -> String {
                format!("({})", [$($inner::name(),)* $last::name()].join(", "))
            }

            fn encode_key(key: Self::Ref<'_>, position: Position, out: &mut Vec<u8>) {
                $($inner::encode_key(key.$place, Position::Inner, out);)*
                $last::encode_key(key.$end, position, out);
            }

            fn decode_key(bytes: &mut &[u8], position: Position) -> Option<Self::Owned> {
                Some((
                    $($inner::decode_key(bytes, Position::Inner)?,)*
                    $last::decode_key(bytes, position)?,
                ))
            }

            fn lend_key(owned: &Self::Owned) -> Self::Ref<'_> {
                ($($inner::lend_key(&owned.$place),)* $last::lend_key(&owned.$end),)
            }
        }

        impl<$($inner: ValueCodec,)* $last: ValueCodec> ValueCodec for ($($inner,)* $last,) {
            type Ref<'a> = ($($inner::Ref<'a>,)* $last::Ref<'a>,);
            type Owned = ($($inner::Owned,)* $last::Owned,);

            fn name() -> String {
                format!("({})", [$($inner::name(),)* $last::name()].join(", "))
            }

            fn encode_value(value: Self::Ref<'_>, position: Position, out: &mut Vec<u8>) {
                $($inner::encode_value(value.$place, Position::Inner, out);)*
                $last::encode_value(value.$end, position, out);
            }

            fn decode_value<'a>(
                bytes: &mut &'a [u8],
                position: Position,
            ) -> Option<Self::Ref<'a>> {
                Some((
                    $($inner::decode_value(bytes, Position::Inner)?,)*
                    $last::decode_value(bytes, position)?,
                ))
            }

            fn own(value: Self::Ref<'_>) -> Self::Owned {
                ($($inner::own(value.$place),)* $last::own(value.$end),)
            }

            fn lend_value(owned: &Self::Owned) -> Self::Ref<'_> {
                ($($inner::lend_value(&owned.$place),)* $last::lend_value(&owned.$end),)
            }
        }
    };
}

tuple!(; A 0);
tuple!(A 0; B 1);
tuple!(A 0 B 1; C 2);
tuple!(A 0 B 1 C 2; D 3);
tuple!(A 0 B 1 C 2 D 3; E 4);
tuple!(A 0 B 1 C 2 D 3 E 4; F 5);

/// Lets tuples of `$part` and `$rest` be grouped by the former.
macro_rules! prefix {
    ($($part:ident $place:tt)+; $($rest:ident)+) => {
        impl<'p, $($part: KeyCodec,)+ $($rest: KeyCodec,)+> StartsWith<($($part::Ref<'p>,)+)>
            for ($($part,)+ $($rest,)+)
        {
            fn encode_prefix(prefix: ($($part::Ref<'p>,)+), out: &mut Vec<u8>) {
                $($part::encode_key(prefix.$place, Position::Inner, out);)+
            }
        }
    };
}

prefix!(A 0; B);
prefix!(A 0; B C);
prefix!(A 0 B 1; C);
prefix!(A 0; B C D);
prefix!(A 0 B 1; C D);
prefix!(A 0 B 1 C 2; D);
prefix!(A 0; B C D E);
prefix!(A 0 B 1; C D E);
prefix!(A 0 B 1 C 2; D E);
prefix!(A 0 B 1 C 2 D 3; E);
prefix!(A 0; B C D E F);
prefix!(A 0 B 1; C D E F);
prefix!(A 0 B 1 C 2; D E F);
prefix!(A 0 B 1 C 2 D 3; E F);
prefix!(A 0 B 1 C 2 D 3 E 4; F);
