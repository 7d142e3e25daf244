//! Where values come from, what is accepted, and what is shown.

use super::*;

fn given(key: &'static str, source: Source, values: &[&str]) -> Given {
    Given { key, source, values: values.iter().map(|&value| value.to_owned()).collect() }
}

fn file(text: &str) -> Result<Vec<Given>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shardgate.toml");
    std::fs::write(&path, text).unwrap();
    read_file(&path)
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let all = [
        given("node-id", Source::Flag, &["3"]),
        given("node-id", Source::File("f".into()), &["1"]),
        given("node-id", Source::Environment, &["2"]),
    ];
    for (from, id) in [(0, 3), (1, 2)] {
        assert_eq!(merge(&all[from..]).unwrap().config.node_id, id);
    }
    assert_eq!(merge(&all[1..2]).unwrap().config.node_id, 1);
    assert_eq!(merge(&[]).unwrap().config, Config::default());
}

#[test]
fn a_list_is_taken_whole_from_its_strongest_source() {
    let all = [given("topic", Source::File("f".into()), &["a:1", "b:2"]), given("topic", Source::Flag, &["orders:3", "clicks"])];
    let topics = merge(&all).unwrap().config.topics;
    assert_eq!(topics.iter().map(Topic::to_string).collect::<Vec<_>>(), ["orders:3", "clicks"]);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_and_the_file() {
    for (key, nearest) in
        [("data_dir", "data-dir"), ("kafka-listner", "kafka-listener"), ("Topics", "topic"), ("node-di", "node-id")]
    {
        let error = file(&format!("{key} = 1")).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean {nearest:?}?")) && error.contains("shardgate.toml"), "{error}");
    }
    let error = file("zzz = 1").unwrap_err().to_string();
    assert!(error.contains("known are data-dir, ephemeral"), "{error}");
}

#[test]
fn a_bad_value_names_its_place_and_what_is_accepted() {
    for (key, value, accepted) in [
        ("node-id", "-1", "0 to 2147483647"),
        ("default-partitions", "0", "1 to 10000"),
        ("ephemeral", "yes", "true and false are accepted"),
        ("log-format", "xml", "text and json are accepted"),
        ("kafka-listener", "9092", "HOST:PORT"),
        ("kafka-listener", "::1:9092", "HOST:PORT"),
        ("kafka-listener", "localhost:99999", "0 to 65535"),
        ("advertised-listener", "localhost:0", "port 0"),
        ("topic", "orders:x", "1 to 10000"),
        ("topic", "a b", "the character ' '"),
        ("data-dir", "", "a path"),
    ] {
        let error = merge(&[given(key, Source::Flag, &[value])]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the flag --{key} has the value {value:?}")) && error.contains(accepted), "{error}");
    }
    let error = merge(&[given("node-id", Source::Environment, &["x"])]).unwrap_err().to_string();
    assert!(error.starts_with("the environment variable SHARDGATE_NODE_ID has"), "{error}");
    let error = file("node-id = \"x\"").unwrap_err().to_string();
    assert!(error.contains("\"node-id\" in the config file") && error.ends_with("a whole number is accepted"), "{error}");
}

#[test]
fn addresses_read_as_they_are_written() {
    for text in ["127.0.0.1:9092", "[::1]:0", "gateway:9092"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_printed_can_be_read_and_says_the_same() {
    let all = [
        given("topic", Source::Flag, &["orders:3", "clicks"]),
        given("data-dir", Source::Environment, &["/a \"quoted\" place"]),
        given("ports-file", Source::File("f".into()), &["/tmp/ports"]),
    ];
    let merged = merge(&all).unwrap();
    let text = print(&merged);
    assert!(text.contains("topic = [\"orders:3\", \"clicks\"] # --topic\n"), "{text}");
    assert!(text.contains("# SHARDGATE_DATA_DIR\n") && text.contains("ports-file = \"/tmp/ports\" # f\n"), "{text}");
    assert!(text.contains("# advertised-listener is not set\n"), "{text}");
    assert_eq!(merge(&file(&text).unwrap()).unwrap().config, merged.config);
}

#[test]
fn credentials_are_tables_of_the_file_and_their_secrets_are_never_shown() {
    let given = file("[[credentials]]\naccess-key = \"AKID\"\nsecret-key = \"hidden\"").unwrap();
    let merged = merge(&given).unwrap();
    let expected = Credential { access_key: "AKID".to_owned(), secret_key: "hidden".to_owned() };
    assert_eq!(merged.config.credentials, [expected]);
    let shown = format!("{}{:?}", print(&merged), merged.config);
    assert!(shown.contains("# credentials AKID are set") && !shown.contains("hidden"), "{shown}");
    for wrong in [
        "credentials = \"hidden\"",
        "credentials = [\"hidden\"]",
        "[[credentials]]\naccess-key = \"hidden\"",
        "[[credentials]]\naccess-key = \"a b\"\nsecret-key = \"hidden\"",
        "[[credentials]]\naccess-key = \"a\"\nsecret-key = \"hidden\"\nmore = 1",
    ] {
        let error = file(wrong).and_then(|given| merge(&given)).unwrap_err().to_string();
        assert!(error.contains("credentials") && error.contains("accepted") && !error.contains("hidden"), "{error}");
    }
}

#[test]
fn users_are_tables_of_the_file_and_their_passwords_are_never_shown() {
    let given = file("[[users]]\nname = \"a b\"\npassword = \"hid den\"").unwrap();
    let merged = merge(&given).unwrap();
    assert_eq!(merged.config.users, [User { name: "a b".to_owned(), password: "hid den".to_owned() }]);
    let shown = format!("{}{:?}", print(&merged), merged.config);
    assert!(shown.contains("# users a b are set") && !shown.contains("hid den"), "{shown}");
    for wrong in [
        "users = \"hidden\"",
        "[[users]]\nname = \"hidden\"",
        "[[users]]\nname = \"\"\npassword = \"hidden\"",
        "[[users]]\nname = \"a\"\npassword = 7\nhidden = 1",
        "[[users]]\nname = \"a\"\npassword = \"hidden\"\n[[users]]\nname = \"a\"\npassword = \"b\"",
    ] {
        let error = file(wrong).and_then(|given| merge(&given)).unwrap_err().to_string();
        assert!(error.contains("users") && error.contains("accepted") && !error.contains("hidden"), "{error}");
    }
}

#[test]
fn listeners_are_tables_of_the_file_and_say_what_is_wrong_with_them() {
    let text = "[[kafka-listeners]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n\
                [[kafka-listeners]]\nname = \"out\"\naddress = \"0.0.0.0:9093\"\nadvertised = \"example.org:9093\"\n\
                certificate = \"c.pem\"\nkey = \"k.pem\"\nclient-ca = \"ca.pem\"\nclient-certificate = \"requested\"\n\
                login = [\"PLAIN\", \"SCRAM-SHA-512\"]\n";
    let listeners = merge(&file(text).unwrap()).unwrap().config.kafka_listeners;
    let [inner, outer] = listeners.as_slice() else { panic!("{listeners:?}") };
    assert_eq!((inner.name.as_str(), inner.certificate.clone(), inner.login.len()), ("in", None, 0));
    assert_eq!(outer.advertised, Some(Address::new("example.org", 9093)));
    assert_eq!((outer.client_certificate, outer.login.len()), (ClientCertificate::Requested, 2));
    for (rest, wrong) in [
        ("address = \"9092\"", "HOST:PORT"),
        ("adress = \"127.0.0.1:0\"", "unknown field `adress`"),
        ("address = \"127.0.0.1:0\"\ncertificate = \"c\"", "a certificate needs its key"),
        ("address = \"127.0.0.1:0\"\nclient-ca = \"c\"", "client-ca needs a certificate"),
        ("address = \"127.0.0.1:0\"\nadvertised = \"a:0\"", "port 0"),
        ("address = \"127.0.0.1:0\"\n[[kafka-listeners]]\nname = \"in\"\naddress = \"127.0.0.1:0\"", "is there twice"),
    ] {
        let text = format!("[[kafka-listeners]]\nname = \"in\"\n{rest}");
        let error = file(&text).and_then(|given| merge(&given)).unwrap_err().to_string();
        assert!(error.contains("\"kafka-listeners\" in the config file") && error.contains(wrong), "{error}");
    }
}

#[test]
fn keys_of_tokens_are_in_a_file_or_at_an_address() {
    let set = |text: &str| merge(&[given("oauth-jwks", Source::Flag, &[text])]).map(|merged| merged.config.oauth_jwks);
    assert_eq!(set("keys/jwks.json").unwrap(), Some(Jwks::File(PathBuf::from("keys/jwks.json"))));
    for url in ["http://localhost:8080/", "https://example.org/realms/one/certs?a=b", "https://[::1]:8443/jwks"] {
        let jwks = set(url).unwrap().unwrap();
        assert_eq!((matches!(jwks, Jwks::Url(_)), jwks.to_string()), (true, url.to_owned()));
    }
    for wrong in ["", "ftp://localhost/", "https://", "https:///keys", "https://me:word@example.org/", "https://a b/"] {
        let error = set(wrong).unwrap_err().to_string();
        assert!(error.contains("oauth-jwks") && error.contains("is accepted"), "{error}");
    }
}

#[test]
fn every_setting_has_its_variable_and_a_default_that_it_accepts() {
    for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Tables) {
        assert_eq!(setting.env, format!("SHARDGATE_{}", setting.key.to_uppercase().replace('-', "_")));
        let values = setting.values(&Config::default());
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        assert_eq!(merge(&[given(setting.key, Source::Flag, &values)]).unwrap().config, Config::default());
    }
}
