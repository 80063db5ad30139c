//! `GET /`: the page that the build put into the binary, or a word on how to get it.
//!
//! Files under `assets/` have their hash in their name and may be kept for ever; all others are asked for again, with an ETag.
//! Texts are also kept gzipped. What is no file and looks like a place within the page is answered with `index.html`.

use std::collections::HashMap;
use std::io::Write;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;

use super::HttpState;
use super::error::ApiError;
use crate::model::SqlError;
use crate::model::error::code;

/// What `build.rs` made of `web/`.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/page.rs"));
}

const INDEX: &str = "index.html";
/// Inline styles are the charts'; nothing else from anywhere but here.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
/// Files smaller than this are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 1024;
const NO_PAGE: &str = "<!doctype html><meta charset=utf-8><title>Trueup</title><h1>Trueup is running</h1>\
<p>This binary was built without the page: install Node 20 or newer and build again (<code>cargo build</code>).</p>\
<p>The rest is here: <a href=/api/views>/api/views</a>, <a href=/api/openapi.json>/api/openapi.json</a>, \
<a href=/metrics>/metrics</a>.</p>";

struct File {
    bytes: Bytes,
    gzip: Option<Bytes>,
    content_type: &'static str,
    etag: String,
    is_hashed: bool,
}

/// The page's files by path.
pub(super) struct Page(HashMap<&'static str, File>);

impl Page {
    pub(super) fn embedded() -> Page {
        Page::new(embedded::FILES)
    }

    fn new(files: &'static [(&'static str, &'static [u8])]) -> Page {
        Page(files.iter().map(|(path, bytes)| (*path, File::new(path, bytes))).collect())
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let path = if path == "/" { INDEX } else { path.trim_start_matches('/') };
        let wants_page = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
        let is_place = wants_page && !path.contains('.') && !path.starts_with("api/");
        let file = self.0.get(path).or_else(|| self.0.get(INDEX).filter(|_| is_place));
        let is_read = method == Method::GET || method == Method::HEAD;
        match file {
            Some(_) if !is_read => ApiError::not_allowed("GET, HEAD").into_response(),
            Some(file) => file.answer(headers),
            None if path == INDEX && is_read => ([(CONTENT_SECURITY_POLICY, POLICY)], Html(NO_PAGE)).into_response(),
            None => {
                let error = SqlError::new(code::UNDEFINED_OBJECT, "there is no such address");
                ApiError::new(StatusCode::NOT_FOUND, error).into_response()
            }
        }
    }
}

impl File {
    fn new(path: &str, bytes: &'static [u8]) -> File {
        let content_type = content_type(path);
        let is_text =
            content_type.starts_with("text/") || content_type.contains("json") || content_type.contains("svg");
        let gzip = (is_text && bytes.len() >= COMPRESS_BYTES_MIN).then(|| compressed(bytes)).flatten();
        let etag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32]);
        File { bytes: Bytes::from_static(bytes), gzip, content_type, etag, is_hashed: path.starts_with("assets/") }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let says = |name, what: &str| {
            asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).is_some_and(|text| text.contains(what))
        };
        let caching = if self.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut response = if says(IF_NONE_MATCH, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match self.gzip.clone().filter(|_| says(ACCEPT_ENCODING, "gzip")) {
                Some(gzip) => ([(CONTENT_ENCODING, "gzip")], gzip).into_response(),
                None => self.bytes.clone().into_response(),
            }
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        if self.gzip.is_some() {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(ETAG, etag);
        }
        response
    }
}

fn compressed(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

pub(super) async fn serve(State(state): State<HttpState>, request: Request) -> Response {
    state.0.page.answer(request.method(), request.uri().path(), request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &[u8])] = &[("index.html", b"<html>"), ("assets/index-1.js", &[b'x'; 5000])];

    fn get(page: &Page, path: &str, headers: &[(&str, &str)]) -> Response {
        let named = |(name, value): &(&str, &str)| {
            (axum::http::HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        page.answer(&Method::GET, path, &headers.iter().map(named).collect())
    }

    fn header(response: &Response, name: axum::http::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn hashed_files_are_kept_and_the_index_is_asked_for_again() {
        let page = Page::new(FILES);
        let index = get(&page, "/", &[]);
        assert_eq!(header(&index, CACHE_CONTROL), "no-cache");
        assert!(header(&index, CONTENT_SECURITY_POLICY).contains("default-src 'self'"));
        let script = get(&page, "/assets/index-1.js", &[("accept-encoding", "gzip, br")]);
        assert!(header(&script, CACHE_CONTROL).contains("immutable"));
        assert_eq!(header(&script, CONTENT_ENCODING), "gzip");
        let again = get(&page, "/", &[("if-none-match", header(&index, ETAG))]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn places_within_the_page_are_the_page_and_files_that_are_not_there_are_not() {
        let page = Page::new(FILES);
        let html = [("accept", "text/html")];
        assert_eq!(get(&page, "/operations", &html).status(), StatusCode::OK);
        assert_eq!(get(&page, "/operations", &[]).status(), StatusCode::NOT_FOUND);
        assert_eq!(get(&page, "/assets/gone.js", &html).status(), StatusCode::NOT_FOUND);
        assert_eq!(get(&page, "/api/nothing", &html).status(), StatusCode::NOT_FOUND);
        assert_eq!(page.answer(&Method::POST, "/", &HeaderMap::new()).status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn without_a_page_the_root_says_how_to_get_it() {
        let response = get(&Page::new(&[]), "/", &[]);
        assert_eq!((response.status(), header(&response, CONTENT_TYPE)), (StatusCode::OK, "text/html; charset=utf-8"));
    }
}
