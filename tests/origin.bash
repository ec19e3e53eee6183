# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A real HTTPS origin for bats files: Debian's nginx with a CA of our own, keys and signatures of
# stock minisign, and beside it a scripted server for what nginx would never do.
#
#   origin_make DIR           DIR/ca.pem, server certificates, DIR/www; good from 2020 to 2120
#   origin_key NAME           DIR/NAME.key, DIR/NAME.pub
#   origin_sign FILE NAME...  FILE.minisig by the first, FILE.<KEYID>.minisig by each of several
#   origin_start              nginx on a free port of loopback: ORIGIN_URL; DIR/access.log
#   faults_start              the scripted server: FAULTS_URL; DIR/faults.log
#   origin_stop               ends what was started, by its pid
#
# ORIGIN_DIR is set by origin_make.

origin_faketime() {
  local lib
  for lib in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1; do
    [ ! -e "$lib" ] || { LD_PRELOAD=$lib FAKETIME="$1" "${@:2}" && return; }
  done
}

# origin_certificate NAME CN SAN: signed by the CA.
origin_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
    -keyout "$ORIGIN_DIR/$1.key" -out "$ORIGIN_DIR/$1.csr" 2>/dev/null &&
    printf 'subjectAltName=%s\n' "$3" >"$ORIGIN_DIR/$1.ext" &&
    origin_faketime '2020-01-01 00:00:00' openssl x509 -req -in "$ORIGIN_DIR/$1.csr" \
      -CA "$ORIGIN_DIR/ca.pem" -CAkey "$ORIGIN_DIR/ca.key" -CAcreateserial -days 36500 \
      -extfile "$ORIGIN_DIR/$1.ext" -out "$ORIGIN_DIR/$1.pem" 2>/dev/null
}

origin_make() {
  ORIGIN_DIR=$1
  export ORIGIN_DIR
  mkdir -p "$ORIGIN_DIR/www" "$ORIGIN_DIR/keys.d"
  origin_faketime '2020-01-01 00:00:00' openssl req -x509 -newkey ec \
    -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj '/CN=test CA' \
    -addext basicConstraints=critical,CA:TRUE -keyout "$ORIGIN_DIR/ca.key" \
    -out "$ORIGIN_DIR/ca.pem" 2>/dev/null || return 1
  origin_certificate server localhost DNS:localhost
}

# NAME.key without a password; trusted when NAME.pub is copied to keys.d.
origin_key() {
  minisign -G -W -f -p "$ORIGIN_DIR/$1.pub" -s "$ORIGIN_DIR/$1.key" </dev/null >/dev/null
}

origin_key_id() {
  sed -n '1s/.* //p' "$ORIGIN_DIR/$1.pub" | awk '{ while (length < 16) $0 = "0" $0; print }'
}

origin_key_line() {
  sed -n 2p "$ORIGIN_DIR/$1.pub"
}

origin_sign() {
  local file=$1 name out
  shift
  rm -f "$file".*minisig
  for name in "$@"; do
    out=$file.minisig
    [ $# = 1 ] || out=$file.$(origin_key_id "$name").minisig
    minisign -S -W -s "$ORIGIN_DIR/$name.key" -m "$file" -x "$out" -t "test" </dev/null >/dev/null ||
      return 1
    [ $# = 1 ] || [ "$name" != "$1" ] || cp "$out" "$file.minisig"
  done
}

origin_port_is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Ports are drawn until nginx could bind one; what it says is in DIR/nginx.log.
origin_start() {
  local d=$ORIGIN_DIR port user=
  [ "$(id -u)" != 0 ] || user='user root;'
  for port in $(shuf -i 20000-32000 -n 20); do
    cat >"$d/nginx.conf" <<END
daemon off; master_process off; pid $d/nginx.pid; error_log $d/nginx.log; $user
events {}
http {
  log_format plain '\$request_uri \$status "\$http_user_agent" "\$http_if_none_match" "\$http_authorization"';
  access_log $d/access.log plain;
  client_body_temp_path $d/t1; proxy_temp_path $d/t2; fastcgi_temp_path $d/t3;
  uwsgi_temp_path $d/t4; scgi_temp_path $d/t5;
  server {
    listen 127.0.0.1:$port ssl http2;
    server_name localhost;
    ssl_certificate $d/server.pem; ssl_certificate_key $d/server.key;
    root $d/www;
  }
}
END
    nginx -c "$d/nginx.conf" -e "$d/nginx.log" >/dev/null 2>&1 </dev/null 3>&- &
    ORIGIN_PID=$!
    for _ in $(seq 100); do
      if [ -s "$d/nginx.pid" ] && origin_port_is_open "$port"; then
        ORIGIN_URL=https://localhost:$port
        export ORIGIN_URL ORIGIN_PID
        return 0
      fi
      kill -0 "$ORIGIN_PID" 2>/dev/null || break
      sleep 0.05
    done
  done
  cat "$d/nginx.log" >&2
  return 1
}

faults_start() {
  local d=$ORIGIN_DIR
  /usr/bin/python3 "${SRCDIR:-$BATS_TEST_DIRNAME/..}/tests/origin-faults.py" "$d" \
    >"$d/faults.out" 2>&1 </dev/null 3>&- &
  FAULTS_PID=$!
  for _ in $(seq 200); do
    if [ -s "$d/faults.port" ]; then
      FAULTS_URL=https://localhost:$(cat "$d/faults.port")
      export FAULTS_URL FAULTS_PID
      return 0
    fi
    sleep 0.05
  done
  cat "$d/faults.out" >&2
  return 1
}

origin_stop() {
  local pid
  for pid in ${ORIGIN_PID:-} ${FAULTS_PID:-}; do
    kill "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  unset ORIGIN_PID FAULTS_PID
}
