//! The words that made-up reviews are made of. All of them are ours.

/// A product category with things that are sold in it.
pub(super) struct Category {
    pub(super) name: &'static str,
    pub(super) products: &'static [&'static str],
}

pub(super) const CATEGORIES: [Category; 12] = [
    Category {
        name: "Kitchen",
        products: &["kettle", "bread knife", "cast iron pan", "coffee grinder", "toaster", "salad bowl"],
    },
    Category {
        name: "Books",
        products: &["novel", "cookbook", "field guide", "poetry collection", "biography"],
    },
    Category {
        name: "Electronics",
        products: &["headphones", "phone charger", "bluetooth speaker", "webcam", "keyboard", "power bank"],
    },
    Category {
        name: "Toys",
        products: &["wooden train", "jigsaw puzzle", "plush owl", "marble run", "kite"],
    },
    Category {
        name: "Garden",
        products: &["watering can", "garden hose", "pruning shears", "bird feeder", "lantern"],
    },
    Category {
        name: "Apparel",
        products: &["rain jacket", "wool socks", "linen shirt", "running shorts", "scarf"],
    },
    Category { name: "Shoes", products: &["hiking boots", "sneakers", "sandals", "slippers"] },
    Category {
        name: "Pet Products",
        products: &["dog leash", "cat tree", "litter box", "chew toy", "bird cage"],
    },
    Category {
        name: "Office",
        products: &["desk lamp", "notebook", "fountain pen", "office chair", "stapler"],
    },
    Category {
        name: "Sports",
        products: &["yoga mat", "bike pump", "tennis racket", "camping stove", "water bottle"],
    },
    Category { name: "Beauty", products: &["hand cream", "hair dryer", "face soap", "beard oil"] },
    Category {
        name: "Music",
        products: &["ukulele", "guitar strings", "drum sticks", "music stand", "metronome"],
    },
];

/// Sentences for one number of stars; `{}` stands for the product.
pub(super) struct Mood {
    pub(super) openings: &'static [&'static str],
    pub(super) details: &'static [&'static str],
    pub(super) closings: &'static [&'static str],
}

/// By stars: index 0 is one star.
pub(super) const MOODS: [Mood; 5] = [
    Mood {
        openings: &[
            "Terrible, this {} broke on the first day.",
            "Worst {} I have ever bought.",
            "This {} is complete garbage.",
            "Do not waste your money on this {}.",
            "The {} arrived broken and nobody answers my messages.",
            "Absolutely useless {}.",
            "I hate this {}.",
        ],
        details: &[
            "It fell apart in my hands.",
            "It never worked, not even once.",
            "It smells horrible and the material is junk.",
            "Customer service refused a refund.",
            "It stopped working after ten minutes.",
            "The pictures are a lie.",
        ],
        closings: &[
            "I want my money back.",
            "Zero stars if I could.",
            "Avoid it at all costs.",
            "It went straight into the trash.",
            "Total waste of money.",
        ],
    },
    Mood {
        openings: &[
            "I am disappointed with this {}.",
            "The {} is not what I expected.",
            "Poor quality for a {} at this price.",
            "I had hoped for more from this {}.",
        ],
        details: &[
            "It feels cheap and the finish is already coming off.",
            "It worked for two weeks and then became unreliable.",
            "The size is wrong and the instructions do not help.",
            "It does half of what the description says.",
        ],
        closings: &[
            "I would not buy it again.",
            "I will probably return it.",
            "There must be better ones.",
            "Not recommended.",
        ],
    },
    Mood {
        openings: &[
            "The {} is okay.",
            "It is an average {}.",
            "This {} does the job, but nothing more.",
            "Not bad, not great, just a {}.",
        ],
        details: &[
            "Some parts are good, others could be better.",
            "It works but it is louder than I thought.",
            "Quality is fair for the price.",
            "Delivery was slow, the product itself is fine.",
        ],
        closings: &[
            "It is alright for what it costs.",
            "I have mixed feelings.",
            "Three stars seem fair.",
            "It will do for now.",
        ],
    },
    Mood {
        openings: &[
            "Good {}, I like it.",
            "This is a nice {} for the price.",
            "Very decent {} with one small flaw.",
            "Pretty happy with this {}.",
        ],
        details: &[
            "It works well, though the packaging was a bit rough.",
            "Solid build, the color is slightly different from the photo.",
            "It does what it should, I only wish it were a little lighter.",
            "Good quality overall, setup took a while.",
        ],
        closings: &[
            "I would buy it again.",
            "Recommended, with one star off.",
            "A good purchase.",
            "Almost perfect.",
        ],
    },
    Mood {
        openings: &[
            "I love this {}!",
            "Best {} I have ever owned.",
            "This {} is perfect.",
            "Excellent {}, exactly as described.",
            "What a wonderful {}!",
            "My whole family loves this {}.",
            "Fantastic {}, it arrived early.",
        ],
        details: &[
            "The quality is outstanding and it looks beautiful.",
            "I use it every day and it still looks like new.",
            "It was a gift and she was delighted.",
            "It works flawlessly and feels great.",
            "It is worth every penny.",
            "Shipping was fast and everything was perfect.",
        ],
        closings: &[
            "Highly recommended!",
            "Five stars.",
            "I will definitely buy another one.",
            "Could not be happier!",
            "Thank you so much!",
        ],
    },
];
