// The program of a user of the packages. The tests build it outside of the repository and read what it prints.
using System.Globalization;
using System.Reflection;
using TorchSharp;

foreach (var library in new[] { "Moe.Core", "Moe.Training" })
    Console.WriteLine(Assembly.Load(library).GetName().Name);

using var ones = torch.ones(3);
using var sum = ones.sum();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"sum {sum.item<float>()}"));
