//! `[lake]`: where it may be, and what is said of what it may not be.

use super::*;

#[cfg(feature = "lake")]
#[test]
fn a_folder_is_relative_to_the_file_and_a_bucket_to_nothing() {
    let path = |path: &str| {
        let text = format!("[lake]\npath = \"{path}\"\n");
        Config::parse(&text, Path::new("/etc/archiver/archiver.toml")).unwrap().lake.path.unwrap()
    };
    assert_eq!(path("lake"), Path::new("/etc/archiver/lake"));
    assert_eq!(path("/srv/lake"), Path::new("/srv/lake"));
    assert_eq!(path("s3://bucket/some/lake/").to_str(), Some("s3://bucket/some/lake/"));
}

#[cfg(not(feature = "lake"))]
#[test]
fn a_build_without_lakes_says_so() {
    let error = error_of("[lake]\npath = \"lake\"\n");
    assert!(error.contains("archiver.toml:2") && error.contains("lake.path"), "{error}");
    assert!(error.contains("--features lake"), "{error}");
}

#[test]
fn there_is_no_lake_unless_its_path_is_given() {
    let lake = Config::parse("", Path::new("/x/archiver.toml")).unwrap().lake;
    assert_eq!(lake, LakeConfig { path: None, region: None, endpoint: None, after_run: true });
    let text = "[lake]\nregion = \"eu-west-1\"\nendpoint = \"https://s3.example/x\"\nafter_run = false\n";
    let lake = Config::parse(text, Path::new("/x/archiver.toml")).unwrap().lake;
    assert_eq!(lake.endpoint.as_deref(), Some("https://s3.example/x"));
    assert_eq!((lake.region.as_deref(), lake.after_run), (Some("eu-west-1"), false));
}

#[test]
fn what_cannot_be_a_lake_is_refused_with_its_line_and_no_password() {
    for (line, wanted) in [
        ("path = \"gs://bucket/lake\"", "must be a folder or \"s3://BUCKET/PREFIX\""),
        ("path = \"s3:///lake\"", "must be a folder or"),
        ("path = \"s3://ada:MARKER@bucket\"", "must be a folder or"),
        ("path = \"\"", "must not be empty"),
        ("path = 1", "a string in quotes"),
        ("region = \"eu west\"", "must be a region"),
        ("endpoint = \"s3.example\"", "must be a URL"),
        ("endpoint = \"https://ada:MARKER@s3.example\"", "must not contain a user name"),
        ("endpoint = \"https://s3.example?key=MARKER\"", "without `?`"),
        ("after_run = \"yes\"", "true or false"),
    ] {
        let error = error_of(&format!("[lake]\n{line}\n"));
        let key = line.split(' ').next().unwrap();
        assert!(error.contains("archiver.toml:2") && error.contains(&format!("lake.{key}")), "{error}");
        assert!(error.contains(wanted) && !error.contains("MARKER"), "{error}");
    }
}
