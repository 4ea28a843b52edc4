"""Names of people who do not exist: common given and family names, put together at random."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """What people are called in one country."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


UNITED_STATES = Names(
    women=_words(
        "Abigail Alicia Amara Beatrice Brenda Camila Carmen Charlotte Chloe Daniela Denise Diana "
        "Elena Eleanor Emma Esther Fatima Gabriela Grace Hannah Imani Isabel Jasmine Joan Keiko "
        "Latoya Leah Lillian Lucia Maya Mei Naomi Natalie Nora Olivia Paula Rachel Renee Rosa "
        "Ruth Sarah Sofia Tamara Teresa Valerie Vivian Wanda Yolanda Zoe"
    ),
    men=_words(
        "Aaron Adrian Alan Andre Anthony Benjamin Brian Carlos Cedric Daniel Darnell David "
        "Diego Dominic Edward Elijah Eric Felix Frank Gabriel George Hector Henry Ibrahim Isaac "
        "Jamal James Javier Joel Joshua Kenji Kevin Leon Liam Luis Malik Marcus Mateo Miguel "
        "Nathan Oscar Owen Patrick Rafael Samuel Terrence Thomas Victor Walter Wei"
    ),
    families=_words(
        "Adams Alvarez Baker Banks Bennett Brooks Campbell Carter Castillo Chen Cohen Coleman "
        "Cruz Diaz Edwards Ellis Evans Fischer Fleming Foster Garcia Gomez Graham Green Hayes "
        "Hernandez Howard Hughes Jackson Jenkins Johnson Kaplan Kelly Kim Lawson Lee Lewis Lopez "
        "Marshall Martinez Mitchell Moreno Murphy Nguyen O'Brien Ortiz Park Patterson Perez "
        "Peterson Powell Ramirez Reed Reyes Rivera Robinson Rossi Sanders Santos Schmidt Silva "
        "Simmons Stewart Sullivan Torres Turner Vargas Walker Ward Washington Watson Weber Wong "
        "Wright Young"
    ),
)

AUSTRALIA = Names(
    women=_words(
        "Aisha Alice Amelia Anika Bronwyn Caitlin Claire Daisy Ebony Ella Eva Fiona Freya "
        "Georgia Harriet Hazel Indira Ivy Jacinta Kirra Kylie Layla Linh Lucy Mackenzie Matilda "
        "Mia Molly Narelle Nina Olive Phoebe Poppy Rosie Ruby Sienna Sophie Stella Tahlia Thuy "
        "Violet Willow Xanthe Yumi Zara"
    ),
    men=_words(
        "Alexander Angus Archie Arjun Ashton Bailey Banjo Callum Cooper Darcy Dimitri Ethan "
        "Finn Flynn Fraser Gavin Harrison Hugo Hung Isaiah Jack Jarrah Kai Lachlan Leo Levi "
        "Lincoln Louis Mason Max Mitchell Nikolaos Noah Oliver Omar Patrick Quentin Ravi Riley "
        "Rory Ryan Sebastian Spencer Tan Theo Toby William Xavier Zac"
    ),
    families=_words(
        "Anderson Armstrong Bailey Barker Bell Boyd Brennan Burke Cameron Clarke Connolly Cooper "
        "Dawson Doyle Duong Edwards Elliott Ferguson Fletcher Fraser Georgiou Gibson Gray Hall "
        "Hamilton Harding Henderson Hoang Hunt Johnston Kaur Kennedy King Lam Le Macdonald "
        "Mackay Marsh McCarthy Mehta Moore Morrison Nolan Papadopoulos Pham Porter Price Quinn "
        "Reid Rossi Russell Ryan Saunders Shaw Singh Sutton Taylor Thompson Tran Vella Wallace "
        "Walsh Watts White Williams Wood Zhang"
    ),
)

INDIA = Names(
    women=_words(
        "Aarti Aditi Ananya Anjali Asha Bhavna Chitra Deepa Devika Farida Gauri Geeta Hema Indu "
        "Ishita Jaya Kamala Kavita Lakshmi Lata Madhuri Meena Meera Nandini Neha Nisha Pooja "
        "Priya Radha Rekha Ritu Roshni Sadia Sangita Saroja Shalini Shreya Sita Sneha Sunita "
        "Swati Tanvi Usha Vandana Vidya Zainab"
    ),
    men=_words(
        "Aakash Abdul Ajay Amit Anand Anil Arun Ashok Bharat Chandan Deepak Dev Dinesh Farhan "
        "Ganesh Gopal Harish Imran Irfan Jagdish Karan Kiran Lokesh Mahesh Manish Mohan Mukesh "
        "Naveen Nikhil Pankaj Prakash Rahul Rajesh Rakesh Ramesh Rohan Sandeep Sanjay Sunil "
        "Suresh Tarun Umesh Varun Vikram Vinod Yusuf"
    ),
    families=_words(
        "Agarwal Ahmed Ansari Banerjee Basu Bhatt Bose Chakraborty Chatterjee Chauhan Das Datta "
        "Desai Deshpande Dutta Fernandes Ghosh Goswami Gupta Hegde Iyer Jain Joshi Kapoor Khan "
        "Kulkarni Kumar Malhotra Mehta Menon Mishra Mukherjee Nair Naidu Pandey Patel Pillai "
        "Prasad Rao Reddy Roy Saha Sahu Sarkar Saxena Sen Shah Sharma Shetty Sinha Srivastava "
        "Thakur Tiwari Tripathi Varma Verma Yadav"
    ),
)
