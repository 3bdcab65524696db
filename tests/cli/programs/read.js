// SPDX-License-Identifier: MIT
// Read a file in the ways that Node has.
const fs = require('fs');
const crypto = require('crypto');
const md5 = (data) => crypto.createHash('md5').update(data).digest('hex');

console.log(fs.statSync('data').size, fs.existsSync('data'));
console.log(md5(fs.readFileSync('data')));
console.log(fs.readdirSync('sub').sort());
const fd = fs.openSync('data', 'r');
const buf = Buffer.alloc(1000);
console.log(fs.readSync(fd, buf, 0, 1000, 99999), md5(buf));
fs.readFile('data', (err, data) => {
	console.log(err, md5(data));
	fs.createReadStream('data', { start: 500000 })
		.pipe(crypto.createHash('md5').setEncoding('hex'))
		.pipe(process.stdout);
});
fs.promises.stat('data').then((st) => console.log(st.isFile()));
