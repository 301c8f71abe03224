// What the official files are: names, sums, mirrors. MNIST's sums are of the
// decompressed bytes, because each mirror has compressed them in its own way;
// Fashion-MNIST's are the MD5 sums that its authors publish for their gzip
// files, of which all mirrors hold the same copies.

package mnist

var mnistSpec = spec{
	name:   "mnist",
	title:  "MNIST",
	dirs:   []string{"mnist", "MNIST", ""},
	source: "http://yann.lecun.com/exdb/mnist/",
	files: [4]fileSpec{
		{name: "train-images-idx3-ubyte", sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", shape: []int{60000, 28, 28}},
		{name: "train-labels-idx1-ubyte", sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", shape: []int{60000}},
		{name: "t10k-images-idx3-ubyte", sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", shape: []int{10000, 28, 28}},
		{name: "t10k-labels-idx1-ubyte", sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", shape: []int{10000}},
	},
	mirrors: []string{
		"https://ossci-datasets.s3.amazonaws.com/mnist/",
		"https://storage.googleapis.com/cvdf-datasets/mnist/",
		"https://raw.githubusercontent.com/fgnt/mnist/master/",
	},
	classes: []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
}

var fashionSpec = spec{
	name:   "fashion-mnist",
	title:  "Fashion-MNIST",
	dirs:   []string{"fashion-mnist", "fashion", "FashionMNIST", ""},
	source: "https://github.com/zalandoresearch/fashion-mnist",
	files: [4]fileSpec{
		{name: "train-images-idx3-ubyte", md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", shape: []int{60000, 28, 28}},
		{name: "train-labels-idx1-ubyte", md5: "25c81989df183df01b3e8a0aad5dffbe", shape: []int{60000}},
		{name: "t10k-images-idx3-ubyte", md5: "bef4ecab320f06d8554ea6380940ec79", shape: []int{10000, 28, 28}},
		{name: "t10k-labels-idx1-ubyte", md5: "bb300cfdad3c16e7a12a480ee83cd310", shape: []int{10000}},
	},
	mirrors: []string{
		"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
		"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
	},
	classes: []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
	// 6,000 and 1,000 images of each class.
	balanced: true,
}

type spec struct {
	name     string // In file paths.
	title    string // In messages.
	dirs     []string
	source   string
	files    [4]fileSpec // Training images and labels, test images and labels.
	mirrors  []string
	classes  []string
	balanced bool
}

type fileSpec struct {
	name   string
	sha256 string // Of the decompressed bytes.
	md5    string // Of the official gzip file.
	shape  []int
}
