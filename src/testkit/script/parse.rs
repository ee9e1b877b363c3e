//! The file, line by line.

use super::{Action, Client, Script, ScriptError, Step};

pub(super) fn parse(text: &str) -> Result<Script, ScriptError> {
    let mut reading = Reading::default();
    for (number, line) in text.lines().enumerate() {
        reading
            .line(number + 1, line)
            .map_err(|why| ScriptError::Malformed {
                line: number + 1,
                why,
            })?;
    }
    reading.done()
}

#[derive(Default)]
struct Reading {
    title: Option<String>,
    clients: Vec<Block>,
    in_dialogue: bool,
    steps: Vec<Step>,
}

/// A `[Client]` block that is being read.
#[derive(Default)]
struct Block {
    line: usize,
    name: String,
    jid: Option<jid::Jid>,
    password: Option<String>,
    resource: Option<String>,
}

impl Reading {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let content = line.trim();
        let is_indented = line.starts_with([' ', '\t']);
        if content.is_empty() {
            return Ok(());
        }
        if content.len() >= 3 && content.chars().all(|letter| letter == '-') {
            self.in_dialogue = true;
            return Ok(());
        }
        if let Some(comment) = comment(line) {
            self.title.get_or_insert_with(|| comment.to_owned());
            return Ok(());
        }
        match (is_indented, self.in_dialogue) {
            (false, false) => self.client(number, content),
            (true, false) => self.property(content),
            (false, true) => self.step(number, content),
            (true, true) => self.xml(line),
        }
    }

    fn client(&mut self, line: usize, content: &str) -> Result<(), String> {
        let name = content
            .strip_prefix("[Client]")
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .ok_or("expected '[Client] NAME', or a line of dashes")?;
        if self.clients.iter().any(|known| known.name == name) {
            return Err(format!("there are two clients called {name}"));
        }
        self.clients.push(Block {
            line,
            name: name.to_owned(),
            ..Block::default()
        });
        Ok(())
    }

    fn property(&mut self, content: &str) -> Result<(), String> {
        let client = self.clients.last_mut().ok_or("a property of no client")?;
        let (key, value) = content.split_once(':').ok_or("expected 'key: value'")?;
        let value = value.trim();
        match key.trim() {
            "jid" => {
                let jid: jid::Jid = value
                    .parse()
                    .map_err(|error| format!("{value} is not a JID: {error}"))?;
                if let Some(resource) = jid.resource() {
                    client.resource = Some(resource.to_string());
                }
                client.jid = Some(jid.to_bare().into());
            }
            "password" => client.password = Some(value.to_owned()),
            "resource" => client.resource = Some(value.to_owned()),
            // Others tell scansion how to connect; that is the caller's here.
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, line: usize, content: &str) -> Result<(), String> {
        // The longest name: 'Juliet' and 'Juliet's phone' may both be clients.
        let named = |client: &&Block| {
            let rest = content.strip_prefix(client.name.as_str());
            rest.is_some_and(|rest| rest.starts_with(' '))
        };
        let (number, client) = self
            .clients
            .iter()
            .enumerate()
            .filter(|(_, client)| named(client))
            .max_by_key(|(_, client)| client.name.len())
            .ok_or_else(|| format!("no client is called so: {content}"))?;
        let action = content[client.name.len()..].trim();
        // The stanza stands below, or after the colon; some files leave the
        // colon out.
        let (verb, xml) = action.split_once(':').unwrap_or((action, ""));
        let xml = xml.trim().to_owned();
        let action = match verb {
            "sends" => Action::Sends(xml),
            "receives" => Action::Receives(xml),
            "connects" if xml.is_empty() => Action::Connects,
            "disconnects" if xml.is_empty() => Action::Disconnects,
            "receives nothing" if xml.is_empty() => Action::ReceivesNothing,
            _ => return Err(format!("nobody can do this: {action}")),
        };
        self.steps.push(Step {
            line,
            client: number,
            action,
        });
        Ok(())
    }

    fn xml(&mut self, line: &str) -> Result<(), String> {
        match self.steps.last_mut().map(|step| &mut step.action) {
            Some(Action::Sends(xml) | Action::Receives(xml)) => {
                xml.push_str(line.trim());
                // Between two attributes; between elements it means nothing.
                xml.push('\n');
                Ok(())
            }
            _ => Err("an indented line belongs to 'sends:' or 'receives:'".to_owned()),
        }
    }

    fn done(self) -> Result<Script, ScriptError> {
        for step in &self.steps {
            if let Action::Sends(xml) | Action::Receives(xml) = &step.action
                && xml.trim().is_empty()
            {
                return Err(ScriptError::Malformed {
                    line: step.line,
                    why: "no stanza stands below".to_owned(),
                });
            }
        }
        let clients = self.clients.into_iter().map(Block::done);
        Ok(Script {
            title: self.title.unwrap_or_default(),
            clients: clients.collect::<Result<_, _>>()?,
            steps: self.steps,
        })
    }
}

/// The text of a comment. It stands at the beginning of a line: `#`, `//` and
/// `--` are all in use.
fn comment(line: &str) -> Option<&str> {
    let marks = ["#", "//", "--"];
    let marked = marks.iter().any(|mark| line.starts_with(mark));
    marked.then(|| line.trim_start_matches(['#', '/', '-']).trim())
}

impl Block {
    fn done(self) -> Result<Client, ScriptError> {
        let line = self.line;
        let lacks = |what: &str| ScriptError::Malformed {
            line,
            why: format!("the client has no '{what}:'"),
        };
        Ok(Client {
            jid: self.jid.ok_or_else(|| lacks("jid"))?,
            password: self.password.ok_or_else(|| lacks("password"))?,
            name: self.name,
            resource: self.resource,
        })
    }
}
