#!/bin/sh
# servers.sh postfix|exim|sendmail|opensmtpd|dovecot DIR — inside namespaces of its own: the server from DIR/root laid over this system, journald
# recording its log and rsyslog writing it in three framings, a sink for what it sends, and servers.py or mailstore.py as its clients. What it leaves is in DIR.
set -u
server=$1 dir=$2
here=192.0.2.25 sink=192.0.2.99

overlay() {
	mkdir -p "$dir/mnt"
	mount -t tmpfs tmpfs "$dir/mnt"
	for d in usr etc var; do
		mkdir -p "$dir/mnt/$d/up" "$dir/mnt/$d/work" "$dir/root/$d"
		mount -t overlay overlay -o "lowerdir=$dir/root/$d:/$d,upperdir=$dir/mnt/$d/up,workdir=$dir/mnt/$d/work" "/$d" || return 1
	done
	mkdir -p "$dir/mnt/dev"
	mount -t tmpfs tmpfs "$dir/mnt/dev"
	for n in null zero full random urandom tty; do cp -a "/dev/$n" "$dir/mnt/dev/"; done
	mount --move "$dir/mnt/dev" /dev
	mount -t tmpfs tmpfs /run
	mount -t proc proc /proc
	chmod 755 "$dir/mnt"
}

network() {
	ip link set lo up
	echo 4096 >/proc/sys/net/unix/max_dgram_qlen # journald does not wait for rsyslog: lines would be lost when the machine is busy
	for a in $here $sink 198.51.100.10 198.51.100.11 198.51.100.77 203.0.113.7 203.0.113.9 203.0.113.11; do ip addr add $a/32 dev lo; done
	hostname mx.lab.example
	cat >/etc/hosts <<-EOF
		127.0.0.1 localhost
		$here mx.lab.example mx
		$sink sink.example
		198.51.100.10 mail.partner.example
	EOF
	: >/etc/resolv.conf
	echo "hosts: files" >/etc/nsswitch.conf
	cat >>/etc/passwd <<-EOF
		Debian-exim:x:991:991::/var/spool/exim4:/bin/false
		smmta:x:992:992::/var/lib/sendmail:/bin/false
		smmsp:x:993:993::/var/lib/sendmail:/bin/false
		opensmtpd:x:994:994::/var/lib/opensmtpd/empty:/bin/false
		opensmtpq:x:995:995::/var/lib/opensmtpd/empty:/bin/false
		dovecot:x:996:996::/usr/lib/dovecot:/bin/false
		dovenull:x:997:997::/nonexistent:/bin/false
		vmail:x:998:998::/srv/vmail:/bin/false
		web12:x:1012:1012::/srv/web12:/bin/sh
	EOF
	for g in Debian-exim:991 smmta:992 smmsp:993 opensmtpd:994 opensmtpq:995 dovecot:996 dovenull:997 vmail:998 web12:1012; do echo "${g%:*}:x:${g#*:}:" >>/etc/group; done
}

# As on Debian: programs talk to journald, which passes on to rsyslog.
journald() {
	mkdir -p /run/systemd/journal /etc/systemd
	ln -s /run/systemd/journal/dev-log /dev/log
	printf '[Journal]\nStorage=volatile\nForwardToSyslog=yes\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' >/etc/systemd/journald.conf
	/lib/systemd/systemd-journald >"$dir/journald.out" 2>&1 &
	journald_pid=$!
	wait_for test -S /run/systemd/journal/dev-log
}

rsyslog() {
	cat >"$dir/rsyslog.conf" <<-EOF
		module(load="imuxsock" SysSock.Name="/run/systemd/journal/syslog" SysSock.RateLimit.Interval="0")
		global(workDirectory="/var/tmp")
		mail.* action(type="omfile" file="$dir/rfc3164.log" template="RSYSLOG_TraditionalFileFormat")
		mail.* action(type="omfile" file="$dir/iso8601.log" template="RSYSLOG_FileFormat")
		mail.* action(type="omfile" file="$dir/rfc5424.log" template="RSYSLOG_SyslogProtocol23Format")
	EOF
	rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/rsyslog.pid" >"$dir/rsyslog.out" 2>&1 &
	wait_for test -S /run/systemd/journal/syslog
}

wait_for() { # wait_for COMMAND…: for 10 s
	n=100
	while [ $n -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
		n=$((n - 1))
	done
	echo "waited in vain: $*"
	return 1
}
listening() { python3 -c "import socket; socket.create_connection(('$here', 25), 1)"; }

exim() {
	mkdir -p /var/log/exim4 /var/spool/exim4
	chown 991:991 /var/log/exim4 /var/spool/exim4
	cat >/etc/exim4/exim4.conf <<-EOF
		primary_hostname = mx.lab.example
		local_interfaces = $here.25
		log_file_path = /var/log/exim4/%slog : syslog
		log_selector = +subject +arguments +received_recipients +incoming_port +incoming_interface +smtp_confirmation +pid +millisec
		message_size_limit = 100K
		acl_smtp_rcpt = rcpt
		acl_smtp_data = accept
		host_lookup = *
		rfc1413_query_timeout = 0s
		never_users = root
		keep_environment =
		begin acl
		rcpt:
		  accept authenticated = *
		  accept hosts = :
		  deny message = relay not permitted
		       !domains = lab.example
		  deny message = Unknown user
		       !local_parts = alice : bob : nouser : defer
		  accept
		begin routers
		smart:
		  driver = manualroute
		  transport = smtp
		  route_list = * $sink byname
		begin transports
		smtp:
		  driver = smtp
		  allow_localhost
		  hosts_try_prdr =
		begin retry
		* * F,2h,15m
		begin authenticators
		plain:
		  driver = plaintext
		  public_name = PLAIN
		  server_prompts = :
		  server_condition = \${if and{{eq{\$auth2}{alice}}{eq{\$auth3}{secret}}}}
		  server_set_id = \$auth2
	EOF
	chown root:991 /etc/exim4/exim4.conf
	chmod 640 /etc/exim4/exim4.conf
	/usr/sbin/exim4 -bdf -q30m &
	mailer=/usr/sbin/exim4
}

sendmail() {
	blocklist=blocklist_recipients
	[ -e /usr/share/sendmail/cf/feature/$blocklist.m4 ] || blocklist=blacklist_recipients # before 8.16
	mkdir -p /etc/mail/sasl /var/spool/mqueue /var/spool/mqueue-client /run/sendmail/mta /var/lib/sendmail
	chown root:root /var/spool/mqueue
	chmod 700 /var/spool/mqueue
	chown 993:993 /var/spool/mqueue-client
	chmod 770 /var/spool/mqueue-client
	echo "root: nobody" >/etc/mail/aliases
	echo "hosts files" >/etc/mail/service.switch
	printf 'To:nobody99@lab.example\tERROR:5.1.1:550 User unknown\nTo:sales@lab.example\tERROR:5.1.1:550 User unknown\n' >/etc/mail/access
	cat >/etc/mail/mta.mc <<-EOF
		include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
		OSTYPE(\`linux')dnl
		define(\`confDOMAIN_NAME', \`mx.lab.example')dnl
		define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl
		define(\`SMART_HOST', \`relay:[$sink]')dnl
		define(\`MAIL_HUB', \`relay:[$sink]')dnl
		define(\`ALIAS_FILE', \`/etc/mail/aliases')dnl
		define(\`STATUS_FILE', \`/var/lib/sendmail/statistics')dnl
		define(\`confPID_FILE', \`/run/sendmail/mta/sendmail.pid')dnl
		define(\`confMAX_MESSAGE_SIZE', \`102400')dnl
		define(\`confAUTH_MECHANISMS', \`PLAIN LOGIN')dnl
		TRUST_AUTH_MECH(\`PLAIN LOGIN')dnl
		define(\`confTO_IDENT', \`0')dnl
		define(\`confDONT_PROBE_INTERFACES', \`True')dnl
		define(\`confLOG_LEVEL', \`10')dnl
		define(\`confBAD_RCPT_THROTTLE', \`50')dnl
		FEATURE(\`nocanonify')dnl
		FEATURE(\`accept_unresolvable_domains')dnl
		FEATURE(\`access_db', \`hash -T<TMPF> /etc/mail/access')dnl
		FEATURE(\`$blocklist')dnl
		DAEMON_OPTIONS(\`Family=inet, Name=MTA, Port=25, Addr=$here')dnl
		DAEMON_OPTIONS(\`Family=inet, Name=MTA-local, Port=25, Addr=127.0.0.1')dnl
		LOCAL_CONFIG
		Cwlab.example
		MAILER(\`smtp')dnl
	EOF
	cat >/etc/mail/msp.mc <<-EOF
		include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
		OSTYPE(\`linux')dnl
		define(\`_USE_ETC_MAIL_')dnl
		define(\`confDOMAIN_NAME', \`mx.lab.example')dnl
		define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl
		define(\`confRUN_AS_USER', \`smmsp:smmsp')dnl
		define(\`confTRUSTED_USER', \`smmsp')dnl
		define(\`MSP_QUEUE_DIR', \`/var/spool/mqueue-client')dnl
		define(\`STATUS_FILE', \`/var/lib/sendmail/msp-statistics')dnl
		define(\`confPID_FILE', \`/run/sendmail/mta/msp.pid')dnl
		define(\`confDONT_INIT_GROUPS', \`True')dnl
		FEATURE(\`nocanonify')dnl
		FEATURE(\`msp', \`[127.0.0.1]')dnl
	EOF
	m4 /etc/mail/mta.mc >/etc/mail/mta.cf
	cp /etc/mail/mta.cf /etc/mail/sendmail.cf # makemap looks there
	m4 /etc/mail/msp.mc >/etc/mail/submit.cf
	: >/var/lib/sendmail/statistics
	daemon=$(find /usr/libexec/sendmail /usr/lib/sm.bin -name sendmail -type f 2>/dev/null | head -n 1)
	"$daemon" -bi -C/etc/mail/mta.cf -oA/etc/mail/aliases
	makemap=$(find /usr/libexec/sendmail /usr/lib/sm.bin /usr/sbin /usr/bin -name makemap -type f 2>/dev/null | head -n 1)
	"$makemap" hash /etc/mail/access </etc/mail/access
	for d in /usr/lib/sasl2 /etc/mail/sasl /etc/sasl2; do
		mkdir -p $d
		printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: /etc/mail/sasldb2\n' >$d/Sendmail.conf
	done
	echo secret | saslpasswd2 -p -c -f /etc/mail/sasldb2 -u mx.lab.example alice
	chmod 600 /etc/mail/sasldb2
	"$daemon" -C/etc/mail/mta.cf -bD -q30m -L sm-mta &
	chgrp smmsp "$daemon"
	chmod 2755 "$daemon"
	mailer="$daemon -Ac"
}

postfix() {
	cat >/etc/postfix/main.cf <<-EOF
		compatibility_level = 3.6
		myhostname = mx.lab.example
		mydestination =
		relay_domains = lab.example
		relay_recipient_maps = inline:{alice@lab.example=x, bob@lab.example=x, nouser@lab.example=x, defer@lab.example=x}
		mynetworks = 127.0.0.0/8
		inet_interfaces = $here
		inet_protocols = ipv4
		relayhost = [$sink]
		disable_dns_lookups = yes
		smtp_host_lookup = native
		alias_maps =
		message_size_limit = 102400
		smtpd_tls_security_level = none
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_path = smtpd
		smtpd_sasl_local_domain = lab.example
		cyrus_sasl_config_path = /etc/postfix/sasl
		smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
	EOF
	cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf 2>/dev/null
	postconf -F '*/*/chroot=n'
	mkdir -p /etc/postfix/sasl
	printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: /etc/postfix/sasl/sasldb2\n' >/etc/postfix/sasl/smtpd.conf
	echo secret | saslpasswd2 -p -c -f /etc/postfix/sasl/sasldb2 -u lab.example alice
	chmod 644 /etc/postfix/sasl/sasldb2
	command postfix start || return 1
	mailer=/usr/sbin/sendmail
}

opensmtpd() {
	mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
	chmod 711 /var/spool/smtpd
	printf 'alice@lab.example\nbob@lab.example\nnouser@lab.example\ndefer@lab.example\n' >/etc/rcpts
	cat >/etc/smtpd.conf <<-EOF
		table rcpts file:/etc/rcpts
		smtp max-message-size 100K
		listen on $here port 25 hostname mx.lab.example
		action "out" relay host smtp://$sink:25
		match from any for rcpt-to <rcpts> action "out"
		match from socket for any action "out"
	EOF
	smtpd -F -f /etc/smtpd.conf &
	mailer=/usr/sbin/sendmail
}

dovecot_23() {
	cat <<-EOF
		protocols = imap pop3 submission lmtp
		listen = $here
		base_dir = /run/dovecot
		state_dir = /run/dovecot-state
		ssl = no
		disable_plaintext_auth = no
		auth_mechanisms = plain login
		auth_failure_delay = 0
		auth_verbose = yes
		mail_location = maildir:/srv/vmail/%u
		mail_uid = 998
		mail_gid = 998
		first_valid_uid = 998
		login_trusted_networks =
		postmaster_address = postmaster@lab.example
		submission_host = $sink:25
		submission_relay_host = $sink
		submission_relay_port = 25
		submission_relay_ssl = no
		passdb {
		  driver = passwd-file
		  args = /etc/dovecot/users
		}
		userdb {
		  driver = static
		  args = uid=998 gid=998 home=/srv/vmail/%u
		}
		service lmtp {
		  inet_listener lmtp {
		    port = 24
		  }
		}
		service submission-login {
		  inet_listener submission {
		    port = 25
		  }
		}
		protocol lmtp {
		  mail_plugins = sieve
		}
		plugin {
		  sieve = /srv/sieve/%n.sieve
		}
	EOF
}

dovecot_24() {
	cat <<-EOF
		dovecot_config_version = 2.4.0
		dovecot_storage_version = 2.4.0
		protocols = imap pop3 submission lmtp
		listen = $here
		base_dir = /run/dovecot
		state_dir = /run/dovecot-state
		ssl = no
		auth_allow_cleartext = yes
		auth_mechanisms = plain login
		auth_failure_delay = 0
		auth_verbose = yes
		mail_driver = maildir
		mail_path = /srv/vmail/%{user}
		mail_uid = 998
		mail_gid = 998
		first_valid_uid = 998
		postmaster_address = postmaster@lab.example
		submission_host = $sink:25
		submission_relay_host = $sink
		submission_relay_port = 25
		submission_relay_ssl = no
		passdb passwd-file {
		  passwd_file_path = /etc/dovecot/users
		}
		userdb static {
		  fields {
		    uid = 998
		    gid = 998
		    home = /srv/vmail/%{user}
		  }
		}
		service lmtp {
		  inet_listener lmtp {
		    port = 24
		  }
		}
		service submission-login {
		  inet_listener submission {
		    port = 25
		  }
		}
		sieve_script personal {
		  path = /srv/sieve/%{user | username}.sieve
		}
		protocol lmtp {
		  mail_plugins {
		    sieve = yes
		  }
		}
	EOF
}

dovecot() {
	mount -t tmpfs tmpfs /srv
	mkdir -p /etc/dovecot /srv/vmail
	chown 998:998 /srv/vmail
	printf 'alice@lab.example:{PLAIN}secret\nbob@lab.example:{PLAIN}hidden\n' >/etc/dovecot/users
	mkdir -p /srv/sieve
	chown 998:998 /srv/sieve
	cat >/srv/sieve/bob.sieve <<-EOF
		require ["fileinto", "mailbox", "reject"];
		if header :contains "subject" "shop" { fileinto :create "Shops"; }
		elsif header :contains "subject" "junk" { discard; }
		elsif header :contains "subject" "forward" { redirect "friend@ext.example"; }
		elsif header :contains "subject" "unwanted" { reject "no"; }
	EOF
	case $(/usr/sbin/dovecot --version) in 2.[0-3].*) dovecot_23 ;; *) dovecot_24 ;; esac >/etc/dovecot/dovecot.conf
	/usr/sbin/dovecot -F -c /etc/dovecot/dovecot.conf &
}

main() {
	overlay && network && journald && rsyslog || return 1
	python3 tests/system/sink.py $sink 25 "$dir/sink.ndjson" alice@lab.example bob@lab.example \
		"alice@[192.0.2.99]" "bob@[192.0.2.99]" "postmaster@[192.0.2.99]" ann@partner.example friend@ext.example &
	$server
	wait_for listening || return 1
	case $server in
	dovecot) python3 tests/system/mailstore.py drive $here "$dir/truth.jsonl" || return 1 ;;
	*) python3 tests/system/servers.py drive "$server" $here "$dir/truth.jsonl" || return 1 ;;
	esac
	mkdir -p /srv/web12
	printf 'From: web12@mx.lab.example\nTo: friend@ext.example\nSubject: from a script\nMessage-ID: <script@web12.example>\n\nhello\n' >"$dir/script.eml"
	# shellcheck disable=SC2086 # a command with its arguments
	[ "$server" = opensmtpd ] || [ "$server" = dovecot ] || (cd /srv/web12 && setpriv --reuid=1012 --regid=1012 --clear-groups $mailer -t -i <"$dir/script.eml")
	python3 tests/system/servers.py settled "$dir"
	[ "$server" != exim ] || cp /var/log/exim4/mainlog "$dir/mainlog"
	journalctl -q --no-pager SYSLOG_FACILITY=2 -o export >"$dir/journal.export"
	journalctl -q --no-pager SYSLOG_FACILITY=2 -o json >"$dir/journal.json"
	kill "$(cat "$dir/rsyslog.pid")" "$journald_pid"
	sleep 0.5
}

main
