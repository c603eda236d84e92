/* inflate: unpacks a .gz file with zlib and does nothing with it: the least that reading such a log costs. */
#include <stdio.h>
#include <zlib.h>

int main(int argc, char **argv)
{
	static char block[1 << 18];
	unsigned long long all = 0;
	int n;
	gzFile in = argc == 2 ? gzopen(argv[1], "rb") : NULL;
	if (!in)
		return 1;
	gzbuffer(in, 1 << 18);
	while ((n = gzread(in, block, sizeof block)) > 0)
		all += (unsigned)n;
	printf("%llu bytes\n", all);
	return gzclose(in) != Z_OK || n < 0;
}
