#!/usr/bin/perl
# mmdb.pl COUNTRY.mmdb ASN.mmdb — writes two small MaxMind files: 203.0.113.0/24 is BR, AS64999; 2001:db8:7::/48 is JP, AS64777.
use strict;
use warnings;
use MaxMind::DB::Writer::Tree;

my %type = (country => 'map', iso_code => 'utf8_string', autonomous_system_number => 'uint32');

sub tree {
	my ($name) = @_;
	return MaxMind::DB::Writer::Tree->new(
		ip_version => 6, record_size => 24, database_type => $name, languages => ['en'], description => { en => 'test' },
		map_key_type_callback => sub { $type{ $_[0] } }, alias_ipv6_to_ipv4 => 1, remove_reserved_networks => 0);
}

sub put {
	my ($tree, $path) = @_;
	open my $out, '>:raw', $path or die "$path: $!";
	$tree->write_tree($out);
	close $out or die "$path: $!";
}

my $country = tree('Test-Country');
$country->insert_network('203.0.113.0/24', { country => { iso_code => 'BR' } });
$country->insert_network('2001:db8:7::/48', { country => { iso_code => 'JP' } });
put($country, $ARGV[0]);
my $asn = tree('Test-ASN');
$asn->insert_network('203.0.113.0/24', { autonomous_system_number => 64999 });
$asn->insert_network('2001:db8:7::/48', { autonomous_system_number => 64777 });
put($asn, $ARGV[1]);
