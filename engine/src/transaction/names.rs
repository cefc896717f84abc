//! A map by names that most often holds one: then it takes no memory but its own, and the name's.

use std::collections::BTreeMap;

use smallvec::SmallVec;

/// With more names than this it is a tree.
const FEW: usize = 8;

/// Values by names, ascending.
#[derive(Debug)]
pub enum Names<T> {
    /// In ascending order.
    Few(SmallVec<[(String, T); 1]>),
    /// What has been many stays so.
    Many(BTreeMap<String, T>),
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

fn find<T>(few: &[(String, T)], name: &str) -> Result<usize, usize> {
    // Nearly always there is one, or none.
    let place = few.iter().position(|(known, _)| known.as_str() >= name);
    match place {
        Some(place) if few.get(place).is_some_and(|(known, _)| known == name) => Ok(place),
        Some(place) => Err(place),
        None => Err(few.len()),
    }
}

impl<T> Names<T> {
    /// What `name` stands for.
    pub fn get(&self, name: &str) -> Option<&T> {
        match self {
            Self::Few(few) => few.get(find(few, name).ok()?).map(|(_, value)| value),
            Self::Many(many) => many.get(name),
        }
    }

    /// The name, if it is the only one, and what it stands for.
    pub fn only(&self) -> Option<(&str, &T)> {
        let Self::Few(few) = self else { return None };
        match few.as_slice() {
            [(name, value)] => Some((name, value)),
            _ => None,
        }
    }

    /// What `name` stands for, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        match self {
            Self::Few(few) => {
                let place = find(few, name).ok()?;
                few.get_mut(place).map(|(_, value)| value)
            }
            Self::Many(many) => many.get_mut(name),
        }
    }

    /// Makes `name` stand for `value`, and returns what it stood for.
    pub fn insert(&mut self, name: String, value: T) -> Option<T> {
        let few = match self {
            Self::Few(few) => few,
            Self::Many(many) => return many.insert(name, value),
        };
        match find(few, &name) {
            Ok(place) => {
                let (_, known) = few.get_mut(place)?;
                Some(std::mem::replace(known, value))
            }
            Err(place) => {
                few.insert(place, (name, value));
                if few.len() > FEW {
                    *self = Self::Many(std::mem::take(few).into_iter().collect());
                }
                None
            }
        }
    }

    /// Forgets `name`, and returns what it stood for.
    pub fn remove(&mut self, name: &str) -> Option<T> {
        match self {
            Self::Few(few) => Some(few.remove(find(few, name).ok()?).1),
            Self::Many(many) => many.remove(name),
        }
    }

    /// All names and what they stand for, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        let few = few.iter().map(|(name, value)| (name.as_str(), value));
        few.chain(
            many.into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str(), value)),
        )
    }

    /// All that names stand for, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few), None),
            Self::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten().map(|(_, value)| value);
        few.chain(many.into_iter().flat_map(BTreeMap::values_mut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_in_order_with_few_names_and_with_many() {
        for most in [1, 3, FEW, FEW + 1, 40] {
            let (mut names, mut model) = (Names::default(), BTreeMap::new());
            for step in 0..200_usize {
                let name = format!("t{}", step * 37 % most);
                if step % 5 == 4 {
                    assert_eq!(names.remove(&name), model.remove(&name));
                } else {
                    assert_eq!(
                        names.insert(name.clone(), step),
                        model.insert(name.clone(), step)
                    );
                }
                names.values_mut().for_each(|value| *value += 1);
                for value in model.values_mut() {
                    *value += 1;
                }
                assert_eq!(names.get(&name), model.get(&name));
                assert_eq!(names.get_mut(&name), model.get_mut(&name));
                let all = model.iter().map(|(name, value)| (name.as_str(), value));
                assert!(names.iter().eq(all));
            }
        }
    }
}
