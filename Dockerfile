# The image of the service, for those who have Docker; `make image` builds the same without it.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The git revision, since .git is not part of the build context.
ARG REVISION=unknown
ENV HELLO_YOU_REVISION=$REVISION
# Naming the target keeps the flag away from build scripts, which cannot be static.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked -p hello-you --target "$target" \
    && cp "target/$target/release/hello-you" /hello-you

FROM scratch
COPY --from=build /hello-you /hello-you
USER 65532:65532
ENV HELLO_LISTEN=0.0.0.0:8080 HELLO_ADMIN_LISTEN=0.0.0.0:9090
EXPOSE 8080 9090
HEALTHCHECK CMD ["/hello-you", "healthcheck"]
ENTRYPOINT ["/hello-you"]
