// SPDX-License-Identifier: MIT
// Prints what it reads of a file by the streams of C++.
#include <fstream>
#include <iostream>
#include <string>

static unsigned sum(std::istream &stream)
{
	unsigned sum = 0;
	std::string line;

	while (std::getline(stream, line))
		for (unsigned char c : line)
			sum = sum * 31 + c;
	return sum;
}

int main(int argc, char **argv)
{
	std::ifstream file(argv[1], std::ios::binary);
	std::string word;

	if (argc > 2)
		std::ios::sync_with_stdio(false);
	std::cin >> word;
	std::cout << word << ' ' << sum(std::cin) << '\n';
	file.seekg(100000);
	file >> word;
	std::cout << word << ' ' << file.tellg() << ' ' << sum(file) << '\n';
}
