/// Words and names for the records of json_records.hpp.
#pragma once

#include <string_view>

namespace terrace::bench {

/// The most frequent words of texts; rarer ones are made of syllables.
inline constexpr std::string_view frequent[]
  = {"the",     "and",     "of",       "to",       "in",       "for",
     "with",    "is",      "on",       "this",     "from",     "by",
     "are",     "as",      "new",      "all",      "can",      "use",
     "has",     "your",    "more",     "when",     "data",     "time",
     "list",    "user",    "system",   "service",  "product",  "quality",
     "design",  "set",     "made",     "work",     "only",     "also",
     "size",    "best",    "easy",     "fast",     "free",     "high",
     "home",    "light",   "long",     "need",     "order",    "part",
     "range",   "result",  "return",   "review",   "small",    "support",
     "value",   "water",   "without",  "world",    "year",     "black",
     "cotton",  "cover",   "daily",    "delivery", "detail",   "device",
     "error",   "event",   "example",  "feature",  "file",     "function",
     "garden",  "great",   "group",    "guide",    "handle",   "image",
     "index",   "issue",   "kitchen",  "language", "leather",  "level",
     "library", "machine", "material", "memory",   "message",  "method",
     "module",  "number",  "office",   "open",     "outdoor",  "page",
     "paper",   "power",   "price",    "project",  "question", "query",
     "request", "running", "season",   "server",   "shop",     "simple",
     "source",  "space",   "standard", "steel",    "storage",  "style",
     "summer",  "table",   "travel",   "update",   "version",  "winter",
     "wooden",  "white",   "window",   "writer"};

inline constexpr std::string_view syllables[]
  = {"ka",  "ren", "to",  "mi",  "sol", "ver", "an",  "del", "port", "ist",
     "ul",  "gra", "phe", "nor", "li",  "quo", "bas", "tem", "cri",  "on",
     "da",  "mar", "est", "vi",  "lo",  "fen", "hal", "ju",  "wy",   "zo",
     "pra", "sti", "ble", "con", "ex",  "sub", "tra", "ing", "er",   "ly"};

inline constexpr std::string_view given_names[]
  = {"Ada",   "Alan",   "Amina", "Anna",  "Ben",    "Carla",  "Chen",  "Clara",
     "David", "Diego",  "Elena", "Emma",  "Erik",   "Fatima", "Felix", "Grace",
     "Hana",  "Hassan", "Ines",  "Ivan",  "Jana",   "James",  "Joao",  "Julia",
     "Kofi",  "Lars",   "Laura", "Leila", "Liam",   "Lucas",  "Maria", "Marta",
     "Mei",   "Mia",    "Nadia", "Noah",  "Oliver", "Olga",   "Omar",  "Paul",
     "Petra", "Priya",  "Rosa",  "Ruth",  "Samuel", "Sofia",  "Tom",   "Yuki"};

inline constexpr std::string_view family_names[] = {
  "Adams",    "Andersen", "Bauer",  "Becker",  "Brown",    "Carter", "Costa",
  "Diaz",     "Dubois",   "Evans",  "Fischer", "Garcia",   "Green",  "Hansen",
  "Haddad",   "Ivanova",  "Jansen", "Johnson", "Kaya",     "Khan",   "Kim",
  "Kowalski", "Larsen",   "Lee",    "Lopez",   "Martin",   "Mensah", "Meyer",
  "Moreau",   "Moretti",  "Murphy", "Nguyen",  "Novak",    "Okafor", "Olsen",
  "Patel",    "Petrov",   "Rossi",  "Santos",  "Schmidt",  "Silva",  "Singh",
  "Smith",    "Suzuki",   "Tanaka", "Taylor",  "Virtanen", "Walker", "Wang",
  "Weber",    "Wilson",   "Yilmaz"};

inline constexpr std::string_view cities[]
  = {"Amsterdam", "Athens", "Berlin",  "Bogota",   "Bristol",  "Chicago",
     "Dublin",    "Geneva", "Hamburg", "Helsinki", "Istanbul", "Kyoto",
     "Lagos",     "Leeds",  "Lisbon",  "London",   "Lyon",     "Madrid",
     "Milan",     "Mumbai", "Nairobi", "Oslo",     "Porto",    "Prague",
     "Quito",     "Riga",   "Rome",    "Seoul",    "Toronto",  "Vienna"};

inline constexpr std::string_view domains[]
  = {"gmail.com", "outlook.com", "example.org",  "mail.example.net",
     "proton.me", "icloud.com",  "work.example", "yahoo.com"};

inline constexpr std::string_view languages[]
  = {"cpp", "python", "go", "rust", "java", "typescript", "c", "ruby"};

inline constexpr std::string_view kinds[] = {"function", "class",  "method",
                                             "variable", "struct", "enum"};

} // namespace terrace::bench
